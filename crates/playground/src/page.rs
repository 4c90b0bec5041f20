//! The page's files, embedded in the program.

const JS: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($name:literal: $kind:expr,)*) => {
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
    "main.js": JS,
    "carrier.js": JS,
    "dom.js": JS,
    "state.js": JS,
    "session.js": JS,
    "show.js": JS,
    "mission.js": JS,
    "save.js": JS,
    "points.js": JS,
    "tip.js": JS,
    "texts.js": JS,
    "controls.js": JS,
    "colors.js": JS,
    "map.js": JS,
    "network.js": JS,
    "curves.js": JS,
    "numbers.js": JS,
    "digits.js": JS,
    "graph.js": JS,
    "judgement.js": JS,
    "surface.js": JS,
    "missions.js": JS,
    "trace.js": JS,
    "share.js": JS,
}
