//! The program and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use assert_cmd::cargo::cargo_bin_cmd;

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_downhill-playground"))
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap();
        Self { child, port: port.parse().unwrap() }
    }

    /// The status and the body of the response to a request.
    fn request(&self, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = head.replace("PORT", &self.port.to_string()).replace('\n', "\r\n");
        write!(stream, "{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())
            .unwrap();
        // A server that has refused need not read on.
        let _ = stream.write_all(body);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        let text = String::from_utf8_lossy(&response);
        let status = text.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let start =
            response.windows(4).position(|w| w == b"\r\n\r\n").map_or(response.len(), |at| at + 4);
        (status, response[start..].to_vec())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, body) =
            self.request(&format!("GET {path} HTTP/1.1\nhost: 127.0.0.1:PORT"), b"");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn send(&self, query: &str, message: &str) -> (u16, String) {
        let head = format!(
            "POST /session/{query} HTTP/1.1\nhost: localhost:PORT\norigin: http://localhost:PORT\n\
             content-type: application/json"
        );
        let (status, body) = self.request(&head, message.as_bytes());
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

#[test]
fn the_page_and_its_files_are_served_and_nothing_else() {
    let server = Server::start(&[]);
    assert!(server.get("/").1.contains("<title>Downhill"));
    for file in ["main.js", "style.css", "carrier.js", "trace.js"] {
        assert_eq!(server.get(&format!("/{file}")).0, 200, "{file}");
    }
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "//etc/passwd",
        "/page/main.js",
        "/main.js/",
        "/session",
        "/.",
        "/index.html?/../../x/",
    ] {
        let (status, text) = server.get(path);
        assert!(
            status == 404 || (path.starts_with("/index.html") && status == 200),
            "{path}: {status}"
        );
        assert!(!text.contains("[package]") && !text.contains("root:"), "{path}");
    }
}

#[test]
fn other_sites_and_forged_names_are_refused() {
    let server = Server::start(&[]);
    for head in [
        "GET / HTTP/1.1\nhost: evil.example",
        "GET / HTTP/1.1\nhost: evil.example:PORT",
        "GET / HTTP/1.1\nhost: 127.0.0.1",
        "GET / HTTP/1.1\nhost: 127.0.0.1:1",
        "GET /start HTTP/1.1\nhost: 127.0.0.1:PORT\norigin: http://evil.example",
        "GET / HTTP/1.1\nhost: 127.0.0.1:PORT\norigin: null",
        "GET / HTTP/1.1\nhost: 127.0.0.1:PORT\norigin: https://127.0.0.1:PORT",
        "GET / HTTP/1.1\nhost: 127.0.0.1:PORT\norigin: http://127.0.0.1:PORT.evil.example",
        "POST /session/abcdefgh?begin=true HTTP/1.1\nhost: 127.0.0.1:PORT\norigin: http://evil.example\ncontent-type: application/json",
    ] {
        assert_eq!(server.request(head, b"").0, 403, "{head}");
    }
    assert_eq!(
        server
            .request("GET / HTTP/1.1\nhost: localhost:PORT\norigin: http://127.0.0.1:PORT", b"")
            .0,
        200
    );
}

#[test]
fn sessions_are_begun_kept_and_bounded() {
    let server = Server::start(&[]);
    let describe = r#"{"do":"frame"}"#;
    assert_eq!(server.send("unknown-session", describe).0, 404);
    let (status, text) =
        server.send("first-session?begin=true&steps=7&milliseconds=1000", describe);
    assert!(status == 200 && text.contains("\"step\":7"), "{text}");
    let (_, text) = server.send("first-session?steps=2&milliseconds=1000", describe);
    assert!(text.contains("\"step\":9"), "{text}");
    for number in 0..8 {
        assert_eq!(server.send(&format!("another-{number}?begin=true"), describe).0, 200);
    }
    assert_eq!(server.send("first-session", describe).0, 404, "the longest idle made room");
    assert_eq!(server.send("another-7", describe).0, 200);
}

#[test]
fn a_closed_tab_ends_its_work() {
    let server = Server::start(&[]);
    let ask = || {
        let (_, text) = server.send("closed-tab?begin=true", r#"{"do":"frame"}"#);
        let step = text.split("\"step\":").nth(1).unwrap();
        step.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
    };
    // A request for far more than is allowed, whose sender is gone before it is answered.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let message = r#"{"do":"frame"}"#;
    write!(
        stream,
        "POST /session/closed-tab?begin=true&steps=1000000000000&milliseconds=1000000000 HTTP/1.1\r\n\
         host: localhost:{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{message}",
        server.port,
        message.len(),
    )
    .unwrap();
    drop(stream);
    // Whatever is asked now waits for the little that such a request may train.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let step = ask();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(ask(), step);
}

#[cfg(target_os = "linux")]
#[test]
fn one_thread_trains_however_many_tabs_there_are() {
    let server = Server::start(&[]);
    let threads = |server: &Server| {
        std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap().count()
    };
    std::thread::scope(|scope| {
        let tabs: Vec<_> = (0..4)
            .map(|tab| {
                let server = &server;
                scope.spawn(move || {
                    let query = format!("busy-tab-{tab}?begin=true&steps=300&milliseconds=1000");
                    server.send(&query, r#"{"do":"frame","map":100,"units":32}"#).0
                })
            })
            .collect();
        let mut most = 0;
        while !tabs.iter().all(|tab| tab.is_finished()) {
            most = most.max(threads(&server));
        }
        for tab in tabs {
            assert_eq!(tab.join().unwrap(), 200);
        }
        // One for the connections, one for the engine, and the pool that the engine's kernels ask.
        assert!(most <= 3, "{most} threads");
    });
}

#[test]
fn what_is_no_message_is_refused() {
    let server = Server::start(&[]);
    let (status, text) = server.send("a-session?begin=true", "{\"do\":");
    assert!(status == 200 && text.contains("the message is not understood"), "{text}");
    for name in ["short", "with%20blank", "with/slash", "..%2f..%2fetc", &"x".repeat(65)] {
        assert!(
            [400, 404, 405].contains(&server.send(&format!("{name}?begin=true"), "{}").0),
            "{name}"
        );
    }
    for query in ["a-session?steps=-1", "a-session?steps=many", "a-session?begin=perhaps"] {
        assert_eq!(server.send(query, "{}").0, 400, "{query}");
    }
    let head = "POST /session/a-session HTTP/1.1\nhost: 127.0.0.1:PORT\ncontent-type: text/plain";
    assert_eq!(server.request(head, b"{}").0, 415);
    let huge = vec![b' '; 5 << 20];
    let head =
        "POST /session/a-session HTTP/1.1\nhost: 127.0.0.1:PORT\ncontent-type: application/json";
    assert_eq!(server.request(head, &huge).0, 413);
    assert_eq!(server.request(head, b"\xff\xfe").0, 400);
    assert_eq!(server.send("a-session", r#"{"do":"frame"}"#).0, 200, "it still answers");
}

#[test]
fn a_table_of_ones_own_is_what_the_page_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.csv");
    let rows: String = (0..20).map(|i| format!("{i},{},{}\n", i * i % 7, i % 2)).collect();
    std::fs::write(&file, format!("a,b,kind\n{rows}")).unwrap();
    let server = Server::start(&["--data", file.to_str().unwrap()]);
    let (status, text) = server.get("/start");
    assert!(
        status == 200 && text.contains("\"source\":\"table\"") && text.contains("a,b,kind"),
        "{text}"
    );
}

#[test]
fn wrong_command_lines_and_files_are_one_line() {
    cargo_bin_cmd!("downhill-playground")
        .arg("--fly")
        .assert()
        .code(2)
        .stderr("error: unexpected argument '--fly' found; --help lists what can be given\n");
    cargo_bin_cmd!("downhill-playground").args(["--port", "70000"]).assert().code(2);
    let output = cargo_bin_cmd!("downhill-playground")
        .args(["--data", "nowhere.csv"])
        .assert()
        .code(1)
        .get_output()
        .stderr
        .clone();
    let text = String::from_utf8(output).unwrap();
    assert!(text.starts_with("error: nowhere.csv: ") && text.lines().count() == 1, "{text}");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let output = cargo_bin_cmd!("downhill-playground").args(["--port", &port]).assert().code(1);
    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(
        text.starts_with(&format!("error: 127.0.0.1:{port}: ")) && text.contains("--port"),
        "{text}"
    );
}
