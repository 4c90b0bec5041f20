//! The page's files, embedded in the program.

macro_rules! files {
    ($($name:literal: $kind:literal,)*) => {
        /// The kind and the content of the file that a path asks for.
        pub(crate) fn file(path: &str) -> Option<(&'static str, &'static str)> {
            match path.strip_prefix('/')? {
                "" => file("/index.html"),
                $($name => Some(($kind, include_str!(concat!("../page/", $name)))),)*
                _ => None,
            }
        }
    };
}

files! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "carrier.js": "text/javascript; charset=utf-8",
    "texts.js": "text/javascript; charset=utf-8",
    "controls.js": "text/javascript; charset=utf-8",
    "colors.js": "text/javascript; charset=utf-8",
    "map.js": "text/javascript; charset=utf-8",
    "network.js": "text/javascript; charset=utf-8",
    "curves.js": "text/javascript; charset=utf-8",
    "numbers.js": "text/javascript; charset=utf-8",
    "digits.js": "text/javascript; charset=utf-8",
    "graph.js": "text/javascript; charset=utf-8",
    "missions.js": "text/javascript; charset=utf-8",
    "trace.js": "text/javascript; charset=utf-8",
    "share.js": "text/javascript; charset=utf-8",
}
