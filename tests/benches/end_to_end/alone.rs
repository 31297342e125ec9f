//! How fast the remote is by itself: bodies that are ready go to it over bare connections, whose
//! answers are not looked into. What the program reaches of that tells how much of a run is the
//! remote's. The same through the pool of HTTP connections that the program uses, and nothing else
//! of it, tells how much is the pool's.

use std::time::{Duration, Instant};

use serde::Serialize;
use target_upsert::connector::http::client::pool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::cases::Calls;
use super::input::{ID_PREFIX, fields};
use super::remote::{Remote, runtime};

/// Connections at once: as many as the program makes by default.
const CONNECTIONS: u64 = 64;

/// What sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    Sockets,
    Client,
}

/// Records a second that the remote takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Alone {
    pub through: Through,
    pub calls: Calls,
    pub records_per_second: f64,
}

/// Sends as fast as the remote answers.
pub fn measure(remote: &Remote, through: Through, calls: Calls) -> Alone {
    remote.reset();
    let (each, requests) = match calls {
        Calls::Bulk => (100, 4_096),
        Calls::One => (1, 102_400),
    };
    let mine = requests / CONNECTIONS;
    let client = pool(Duration::from_secs(60), "bench").unwrap();
    let prepared: Vec<Vec<Body>> = (0..CONNECTIONS)
        .map(|connection| {
            (0..mine).map(|call| Body::new((connection * mine + call) * each, each)).collect()
        })
        .collect();
    let began = Instant::now();
    // On threads of their own, as the program would be.
    runtime().block_on(async {
        let senders = prepared.into_iter().map(|bodies| match through {
            Through::Sockets => tokio::spawn(send(remote.url.clone(), bodies)),
            Through::Client => tokio::spawn(post(client.clone(), remote.url.clone(), bodies)),
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.unwrap();
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    remote.must_hold(requests * each, 1);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let records = (requests * each) as f64;
    Alone { through, calls, records_per_second: records / seconds }
}

/// Through the pool that the program's own client has.
async fn post(client: reqwest::Client, url: String, bodies: Vec<Body>) {
    for Body { path, json, .. } in bodies {
        let answer = client.post(format!("{url}{path}")).body(json).send().await.unwrap();
        assert!(answer.status().is_success());
        answer.bytes().await.unwrap();
    }
}

async fn send(url: String, bodies: Vec<Body>) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 << 10];
    for Body { request, .. } in bodies {
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut have, mut need) = (0, usize::MAX);
        while have < need {
            let read = stream.read(&mut buffer[have..]).await.unwrap();
            assert!(read > 0, "the remote hung up");
            have += read;
            if need == usize::MAX {
                need = length(&buffer[..have]).unwrap_or(usize::MAX);
            }
        }
    }
}

/// Bytes of a whole answer, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(head + 4 + length.parse::<usize>().unwrap())
}

/// What one call sends.
struct Body {
    path: &'static str,
    json: String,
    /// Both, as they stand on a bare connection.
    request: String,
}

impl Body {
    fn new(first: u64, count: u64) -> Self {
        let record = |id: u64| format!(r#"{{"ext_id":"{ID_PREFIX}{id}",{}}}"#, fields(id, 0));
        let records: Vec<String> = (first..first + count).map(record).collect();
        let (path, json) = match count {
            1 => ("/one", records.concat()),
            _ => ("/bulk", format!(r#"{{"inputs":[{}]}}"#, records.join(","))),
        };
        let length = json.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: remote\r\ncontent-length: {length}");
        Self { path, request: format!("{head}\r\n\r\n{json}"), json }
    }
}
