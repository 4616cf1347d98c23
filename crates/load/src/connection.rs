//! An HTTP/1.1 connection that costs the generator as little as possible.

use crate::figure::Outcome;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A connection that sends one request after the other.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    /// The last cookie that was set, with its name.
    pub cookie: Option<String>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(1024), cookie: None })
    }

    pub async fn ask(&mut self, request: &[u8]) -> Outcome<Answer> {
        self.stream.write_all(request).await?;
        let (status, length) = self.head().await?;
        while self.read.len() < length {
            self.more().await?;
        }
        Ok(Answer { status, body: self.read.drain(..length).collect() })
    }

    /// Sends a request that must succeed.
    pub async fn tell(&mut self, request: &[u8]) -> Outcome<Vec<u8>> {
        let answer = self.ask(request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(format!("answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
    }

    /// Requests an endless response, and returns when its first bytes have arrived.
    pub async fn listen(&mut self, request: &[u8]) -> Outcome<()> {
        self.stream.write_all(request).await?;
        let (status, _) = self.head().await?;
        if status != 200 {
            return Err(format!("answered {status}").into());
        }
        while self.read.is_empty() {
            self.more().await?;
        }
        Ok(())
    }

    /// Reads the status and the length of the body.
    async fn head(&mut self) -> Outcome<(u16, usize)> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect())?;
        let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
        self.cookie = set.map(str::to_owned).or_else(|| self.cookie.take());
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).ok_or("no HTTP")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        Ok((status, length.map_or(Ok(0), str::parse)?))
    }

    async fn more(&mut self) -> Outcome<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            return Err("the server has closed the connection".into());
        }
        Ok(())
    }
}
