//! Many persons quickly: handles made over HTTP as any visitor makes one, many calls on one connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

use super::wire;
use crate::DEADLINE;

/// Calls that are under way at once on a connection.
const AT_ONCE: usize = 32;

/// Makes so many handles for 当事者; gives the `Cookie` line of each.
pub fn make(address: &str, n: usize) -> Result<Vec<String>> {
    let mut stream = TcpStream::connect(address).context("connect to make handles")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let body = r#"{"name":null,"standing":"tojisha"}"#;
    let request = format!(
        "POST /api/v1/handles HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut cookies = Vec::with_capacity(n);
    let mut n_asked = 0;
    let mut there = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while cookies.len() < n {
        let more = (n - n_asked).min(AT_ONCE.saturating_sub(n_asked - cookies.len()));
        stream.write_all(request.repeat(more).as_bytes())?;
        n_asked += more;
        let n_bytes = stream.read(&mut buffer).context("the answer to a handle")?;
        ensure!(
            n_bytes > 0,
            "the server closed after {} handles",
            cookies.len()
        );
        there.extend_from_slice(&buffer[..n_bytes]);
        let mut used = 0;
        while let Some((cookie, size)) = answer(&there[used..])? {
            cookies.push(cookie);
            used += size;
        }
        there.drain(..used);
    }
    Ok(cookies)
}

/// The cookie of the first answer and its size, once it is whole.
fn answer(bytes: &[u8]) -> Result<Option<(String, usize)>> {
    let Some(end) = wire::head_end(bytes) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("a head is text")?;
    ensure!(
        head.starts_with("HTTP/1.1 201 "),
        "a handle was refused: {head}"
    );
    let mut cookie = None;
    let mut size = None;
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("set-cookie") && value.contains("engawa=") {
            cookie = value.split(';').next().map(str::to_owned);
        } else if name.eq_ignore_ascii_case("content-length") {
            size = Some(value.parse::<usize>().context("a length")?);
        }
    }
    let whole = end + size.with_context(|| format!("no length in {head}"))?;
    if bytes.len() < whole {
        return Ok(None);
    }
    let cookie = cookie.with_context(|| format!("no session in {head}"))?;
    Ok(Some((cookie, whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() -> Result<()> {
        let one = b"HTTP/1.1 201 Created\r\nset-cookie: engawa=abc; Path=/\r\ncontent-length: 2\r\n\r\n{}";
        let mut two = one.to_vec();
        two.extend_from_slice(b"HTTP/1.1 201");
        assert_eq!(answer(&two)?, Some(("engawa=abc".to_owned(), one.len())));
        assert_eq!(answer(&one[..one.len() - 1])?, None);
        assert!(answer(b"HTTP/1.1 429 Too Many\r\n\r\n").is_err());
        Ok(())
    }
}
