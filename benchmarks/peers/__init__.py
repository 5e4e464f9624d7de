"""Peers: other libraries, as their authors publish them, on the same data, cores, time and judge as condgen."""
