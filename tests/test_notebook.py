import base64
import io
import re

from PIL import Image

from condgen.notebook import WIDEST, Listing, paragraph, picture, table, told


def opened(html: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(re.findall(r'base64,([^"]+)', html)[0])))


def test_a_picture_is_within_the_page_and_no_wider_than_a_page() -> None:
    html = picture(Image.new("RGB", (30, 20)), 'a "grid"')
    assert opened(html).size == (30, 20)
    assert "a &#34;grid&#34;" in html
    assert opened(picture(Image.new("L", (2 * WIDEST, 400)), "wide")).size == (WIDEST, 200)
    assert opened(picture(Image.new("L", (100, 3 * WIDEST)), "long")).size == (100, 3 * WIDEST)


def test_text_is_escaped_and_code_is_marked() -> None:
    assert "<td" in table(["<name>"], [["a<b", 3]])
    assert "&lt;name&gt;" in table(["<name>"], [["a<b", 3]])
    assert "a&lt;b" in table(["<name>"], [["a<b", 3]])
    assert paragraph("<b>") == "<p>&lt;b&gt;</p>"
    assert told("try `lr=1` <now>") == "try <code>lr=1</code> &lt;now&gt;"


def test_named_things_are_a_dictionary_and_a_table() -> None:
    found = Listing({"a": ("x", "<y>"), "long": ("z", "")}, ("name", "first", "second"), lambda entry: entry)
    assert found["a"] == ("x", "<y>")
    assert repr(found) == "a     x; <y>\nlong  z"
    assert '<td style="text-align: left">&lt;y&gt;</td>' in found._repr_html_()
