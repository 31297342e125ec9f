//! A proxy that breaks requests in chosen ways, also after the server behind it has committed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What is done to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is passed on, and so is its answer.
    None,
    /// It is passed on; the answer is lost.
    Lose,
    /// It is passed on; the answer breaks off in the middle.
    Truncate,
    /// The connection is closed before the server sees anything.
    Reset,
    /// It is passed on; the answer comes late.
    Delay,
    /// 429 without a word on how long.
    Throttle,
    /// 503, and the server has seen nothing.
    Down,
}

/// How many requests were broken after the server had seen them, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) lost: AtomicUsize,
    pub(crate) all: AtomicUsize,
}

/// A proxy in front of one server. Serves until the process ends.
pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) seen: Arc<Seen>,
}

impl Proxy {
    /// In front of the server at `port`; `choose` says what is done to the n-th request, from 0,
    /// whose head is given.
    pub(crate) fn start(
        port: u16,
        choose: impl Fn(usize, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let (counted, choose) = (Arc::clone(&seen), Arc::new(choose));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, choose) = (Arc::clone(&counted), Arc::clone(&choose));
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(serve(client, port, &seen, &*choose)));
            }
        });
        Self { url, seen }
    }

    /// Breaks about a third of all requests, by chance, the same chance in each run.
    pub(crate) fn rough(port: u16, seed: u64) -> Self {
        let state = AtomicU64::new(seed);
        Self::start(port, move |_, _| {
            let next = |n: u64| n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let drawn = state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(next(n)));
            match (drawn.unwrap() >> 33) % 100 {
                0..8 => Fault::Lose,
                8..14 => Fault::Truncate,
                14..20 => Fault::Reset,
                20..24 => Fault::Delay,
                24..29 => Fault::Throttle,
                29..34 => Fault::Down,
                _ => Fault::None,
            }
        })
    }
}

fn serve(
    mut client: TcpStream,
    port: u16,
    seen: &Seen,
    choose: &(dyn Fn(usize, &str) -> Fault + Send + Sync),
) -> std::io::Result<()> {
    let (head, body) = read_request(&mut client)?;
    let fault = choose(seen.all.fetch_add(1, Ordering::SeqCst), &head);
    let refuse = |client: &mut TcpStream, status: &str| {
        write!(client, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    };
    match fault {
        Fault::Reset => return Ok(()),
        Fault::Throttle => return refuse(&mut client, "429 Too Many Requests"),
        Fault::Down => return refuse(&mut client, "503 Service Unavailable"),
        Fault::None | Fault::Lose | Fault::Truncate | Fault::Delay => {}
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
    write!(server, "{first}\r\nConnection: close\r\n{rest}")?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    match fault {
        Fault::Lose => {
            seen.lost.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        Fault::Truncate => {
            seen.lost.fetch_add(1, Ordering::SeqCst);
            answer.truncate(answer.len() - answer.len() / 3);
        }
        Fault::Delay => std::thread::sleep(Duration::from_millis(150)),
        _ => {}
    }
    client.write_all(&answer)
}

fn read_request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = bytes.split_off(end);
    while body.len() < length.unwrap_or(0) {
        match client.read(&mut chunk)? {
            0 => break,
            count => body.extend_from_slice(&chunk[..count]),
        }
    }
    Ok((head, body))
}
