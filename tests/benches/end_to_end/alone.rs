//! How fast the remote is by itself: bodies that are ready go to it over bare connections, whose
//! answers are not looked into. What the program reaches of that tells how much of a run is the
//! remote's.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::cases::Calls;
use super::input::{ID_PREFIX, fields};
use super::remote::{Remote, runtime};

/// Connections at once.
const CONNECTIONS: u64 = 16;

/// Records a second that the remote takes.
pub fn measure(remote: &Remote, calls: Calls) -> f64 {
    remote.reset();
    let (each, requests) = match calls {
        Calls::Bulk => (100, 4_000),
        Calls::One => (1, 100_000),
    };
    let mine = requests / CONNECTIONS;
    let prepared: Vec<Vec<Vec<u8>>> = (0..CONNECTIONS)
        .map(|connection| {
            (0..mine).map(|call| request((connection * mine + call) * each, each)).collect()
        })
        .collect();
    let address = remote.url.trim_start_matches("http://").to_owned();
    let began = Instant::now();
    // On threads of their own, as the program would be.
    runtime().block_on(async {
        let connections =
            prepared.into_iter().map(|bodies| tokio::spawn(send(address.clone(), bodies)));
        for connection in connections.collect::<Vec<_>>() {
            connection.await.unwrap();
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let records = mine * CONNECTIONS * each;
    remote.must_hold(records, 1);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let records = records as f64;
    records / seconds
}

async fn send(address: String, requests: Vec<Vec<u8>>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 << 10];
    for request in requests {
        stream.write_all(&request).await.unwrap();
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

fn request(first: u64, count: u64) -> Vec<u8> {
    let record = |id: u64| format!(r#"{{"ext_id":"{ID_PREFIX}{id}",{}}}"#, fields(id, 0));
    let records: Vec<String> = (first..first + count).map(record).collect();
    let (path, body) = match count {
        1 => ("/one", records.concat()),
        _ => ("/bulk", format!(r#"{{"inputs":[{}]}}"#, records.join(","))),
    };
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: remote\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
