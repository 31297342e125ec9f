//! Keys that come twice in one object: Python prints the last value in the place of the first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::token;

/// Up to so many keys are compared each with each; more go through a map.
const FEW: usize = 24;

/// What is to be printed otherwise than it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// Go on at `to`.
    Skip { to: usize },
    /// Print the range `with`, then go on at `to`.
    Replace { to: usize, with: (usize, usize) },
}

/// The edits of a JSON text, by the place where each begins.
///
/// A `Skip` begins at a comma and a `Replace` at a value whose replacement stands behind it, so
/// that no edit leads back to itself and no value is printed twice.
#[derive(Debug, Default)]
pub(super) struct Twins(HashMap<usize, Edit>);

#[derive(Clone, Copy)]
struct Member {
    comma: usize,
    key: (usize, usize),
    value: (usize, usize),
}

/// An object or array that is open.
struct Open {
    is_object: bool,
    /// Where its members begin among those of all open objects.
    members: usize,
}

impl Twins {
    /// Goes over the whole text, unless it can hold no object.
    pub(super) fn find(json: &[u8]) -> Self {
        let mut twins = Self::default();
        if memchr::memchr(b'{', json).is_none() {
            return twins;
        }
        let mut open: Vec<Open> = Vec::new();
        let mut members: Vec<Member> = Vec::new();
        let mut comma = 0;
        let mut is_value = false;
        let mut at = 0;
        while at < json.len() {
            let end = token(json, at);
            let in_object = open.last().is_some_and(|open| open.is_object);
            match json[at] {
                b' ' | b'\t' | b'\n' | b'\r' => {}
                b',' => (comma, is_value) = (at, false),
                b':' => is_value = true,
                b'}' | b']' => {
                    if let Some(closed) = open.pop() {
                        twins.settle(json, &members[closed.members..]);
                        members.truncate(closed.members);
                    }
                    // Of a value in an array this is told too: there the member is the array's.
                    if let Some(member) = members.last_mut() {
                        member.value.1 = end;
                    }
                }
                b'"' if in_object && !is_value => {
                    members.push(Member { comma, key: (at, end), value: (0, 0) });
                }
                first => {
                    if in_object && let Some(member) = members.last_mut() {
                        member.value = (at, end);
                    }
                    if let b'{' | b'[' = first {
                        open.push(Open { is_object: first == b'{', members: members.len() });
                        is_value = false;
                    }
                }
            }
            at = end;
        }
        twins
    }

    /// The edit that begins at `at`.
    pub(super) fn edit(&self, at: usize) -> Option<Edit> {
        if self.0.is_empty() { None } else { self.0.get(&at).copied() }
    }

    /// Makes the edits of one object.
    fn settle(&mut self, json: &[u8], members: &[Member]) {
        let key = |member: &Member| &json[member.key.0..member.key.1];
        let is_short = members.len() <= FEW
            && members.iter().all(|member| memchr::memchr(b'\\', key(member)).is_none());
        let has_none = is_short
            && (1..members.len())
                .all(|at| members[..at].iter().all(|other| key(other) != key(&members[at])));
        if has_none {
            return;
        }
        let mut first: HashMap<Cow<'_, [u8]>, Member> = HashMap::with_capacity(members.len());
        // Only a text that is no JSON has a key without a value; it makes no edit, which could lead
        // backwards.
        for member in members.iter().filter(|member| member.value.1 > member.key.1) {
            match first.entry(unescaped(key(member))) {
                Entry::Vacant(place) => {
                    place.insert(*member);
                }
                Entry::Occupied(place) => {
                    let (start, to) = place.get().value;
                    self.0.insert(start, Edit::Replace { to, with: member.value });
                    self.0.insert(member.comma, Edit::Skip { to: member.value.1 });
                }
            }
        }
    }
}

/// The meaning of a key, so that `"a"` and `"\u0061"` are found to be one. Lone surrogates
/// become bytes that are no UTF-8, so that they are like no other key.
fn unescaped(key: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', key).is_none() {
        return Cow::Borrowed(key);
    }
    let unit = |at: usize| {
        let digits = key.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut plain = Vec::with_capacity(key.len());
    let mut at = 0;
    while let Some(&byte) = key.get(at) {
        at += 1;
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        let escape = key.get(at).copied().unwrap_or_default();
        let Some(mut code) = unit(at - 1) else {
            plain.push(match escape {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                same => same,
            });
            at += 1;
            continue;
        };
        at += 5;
        if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (code, unit(at)) {
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
        if let Some(char) = char::from_u32(code) {
            plain.extend(char.encode_utf8(&mut [0; 4]).bytes());
        } else {
            let [_, _, high, low] = code.to_be_bytes();
            plain.extend([0xff, high, low]);
        }
    }
    Cow::Owned(plain)
}
