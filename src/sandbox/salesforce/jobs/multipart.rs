//! A job and its rows in one call: two parts, the job as JSON and the rows as CSV.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/walkthrough_upload_multipart_data.htm>

use memchr::memmem;

/// Characters of rows that may come with their job.
pub(super) const MAX_CHARACTERS: usize = 100_000;

/// The parts that a job and its rows are in.
pub(super) struct Parts<'a> {
    pub(super) job: &'a [u8],
    pub(super) content: &'a [u8],
}

/// What stands between the parts, if a body of this media type has some.
pub(super) fn boundary(media_type: &str) -> Option<&str> {
    let (kind, parameters) = media_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
    })
}

/// Takes a body apart. `None` where one of the parts is missing.
pub(super) fn read<'a>(body: &'a [u8], boundary: &str) -> Option<Parts<'a>> {
    let delimiter = format!("--{boundary}");
    let (mut job, mut content) = (None, None);
    let mut starts = memmem::find_iter(body, &delimiter).peekable();
    while let Some(start) = starts.next() {
        let Some(end) = starts.peek() else { break };
        let part = body.get(start + delimiter.len()..*end)?;
        let Some((head, data)) = split(part) else { continue };
        let head = String::from_utf8_lossy(head);
        if head.contains("name=\"job\"") {
            job = Some(data);
        } else if head.contains("name=\"content\"") {
            content = Some(data);
        }
    }
    Some(Parts { job: job?, content: content? })
}

/// Headers and data of a part, without the line ends around the data.
fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    for (blank, end) in [(&b"\r\n\r\n"[..], &b"\r\n"[..]), (b"\n\n", b"\n")] {
        if let Some(at) = memmem::find(part, blank) {
            let data = part.get(at + blank.len()..)?;
            return Some((part.get(..at)?, data.strip_suffix(end).unwrap_or(data)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_whatever_ends_their_lines() {
        for end in ["\n", "\r\n"] {
            let lines = [
                "--B",
                "Content-Type: application/json",
                "Content-Disposition: form-data; name=\"job\"",
                "",
                "{}",
                "--B",
                "Content-Disposition: form-data; name=\"content\"; filename=\"content\"",
                "",
                "Name",
                "a",
                "--B--",
                "",
            ];
            let body = lines.join(end);
            let parts = read(body.as_bytes(), "B").unwrap();
            assert_eq!(parts.job, b"{}");
            assert_eq!(parts.content, format!("Name{end}a").as_bytes());
            assert!(read(body.as_bytes(), "C").is_none());
        }
        assert_eq!(boundary("multipart/form-data; boundary=\"B C\""), Some("B C"));
        assert_eq!(boundary("application/json; charset=utf-8"), None);
    }
}
