/** Starts the page on top of a server. */
import { mount } from "./main.js";
import { connect } from "./server.js";

mount(connect());
