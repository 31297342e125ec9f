//! Who is logged in, and who has guessed at keys: in memory, until the service ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::serve::lock;
use crate::serve::secret::{KeyHash, by_chance};

/// How long a login holds.
pub(super) const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Logins that are held; past that the oldest go.
const MOST: usize = 1000;
/// Of one key.
const MOST_OF_A_KEY: usize = 50;
/// Wrong keys from one address within [`WINDOW`], at most.
const GUESSES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are watched, at most.
const ADDRESSES: usize = 10_000;

/// Logins.
#[derive(Debug, Default)]
pub(in crate::serve) struct Sessions {
    held: Mutex<HashMap<KeyHash, Session>>,
    guesses: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

#[derive(Debug)]
struct Session {
    /// The key that it was begun with: it holds as long as that does.
    key: KeyHash,
    began: Instant,
}

impl Sessions {
    /// Begins one; what the browser keeps of it.
    ///
    /// # Errors
    /// See [`by_chance`].
    pub(super) fn begin(&self, key: KeyHash, now: Instant) -> Result<String, Error> {
        let token = by_chance()?;
        let mut held = lock(&self.held);
        held.retain(|_, session| now.duration_since(session.began) < LIFETIME);
        // Whoever logs in again and again ends logins with that key first.
        for (most, is_meant) in [(MOST_OF_A_KEY, Some(key)), (MOST, None)] {
            let of =
                held.iter().filter(|(_, session)| is_meant.is_none_or(|key| session.key == key));
            let (count, oldest) = of.fold((0, None), |(count, oldest), (token, session)| {
                let is_older = oldest.is_none_or(|(_, began)| session.began < began);
                (count + 1, if is_older { Some((*token, session.began)) } else { oldest })
            });
            if let Some((oldest, _)) = oldest.filter(|_| count >= most) {
                held.remove(&oldest);
            }
        }
        held.insert(KeyHash::of(&token), Session { key, began: now });
        Ok(token)
    }

    /// The key that it was begun with, while it holds.
    pub(super) fn find(&self, token: &str, now: Instant) -> Option<KeyHash> {
        let held = lock(&self.held);
        let session = held.get(&KeyHash::of(token))?;
        (now.duration_since(session.began) < LIFETIME).then_some(session.key)
    }

    /// Ends it.
    pub(super) fn end(&self, token: &str) {
        lock(&self.held).remove(&KeyHash::of(token));
    }

    /// How long an address has to wait that has guessed too often.
    pub(super) fn waits(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let guesses = lock(&self.guesses);
        let (began, count) = guesses.get(&network(address))?;
        let over = WINDOW.checked_sub(now.duration_since(*began))?;
        (*count >= GUESSES && !over.is_zero()).then_some(over)
    }

    /// A wrong key came from this address.
    pub(super) fn guessed(&self, address: IpAddr, now: Instant) {
        let mut guesses = lock(&self.guesses);
        if guesses.len() >= ADDRESSES {
            guesses.retain(|_, (began, _)| now.duration_since(*began) < WINDOW);
        }
        if guesses.len() >= ADDRESSES {
            guesses.clear();
        }
        let guess = guesses.entry(network(address)).or_insert((now, 0));
        if now.duration_since(guess.0) >= WINDOW {
            *guess = (now, 0);
        }
        guess.1 += 1;
    }
}

/// What one customer of a provider has: an address, or 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_login_holds_for_a_time_or_until_it_is_ended() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let key = KeyHash::of("a key");
        let token = sessions.begin(key, now).unwrap();
        assert!(token.len() >= 43);
        assert!(sessions.find(&token, now).unwrap().is(&key));
        assert!(sessions.find(&format!("{token}="), now).is_none());
        let after = |secs: u64| sessions.find(&token, now + Duration::from_secs(secs));
        assert!(after(LIFETIME.as_secs() - 1).is_some());
        assert!(after(LIFETIME.as_secs()).is_none());
        sessions.end(&token);
        assert!(sessions.find(&token, now).is_none());
    }

    #[test]
    fn of_many_logins_the_oldest_go() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let at = |place: usize| now + Duration::from_millis(u64::try_from(place).unwrap());
        let tokens: Vec<_> = (0..MOST + 2)
            .map(|place| sessions.begin(KeyHash::of(&place.to_string()), at(place)).unwrap())
            .collect();
        let holds = |place: usize| sessions.find(&tokens[place], at(MOST)).is_some();
        assert!(!holds(0) && !holds(1) && holds(2) && holds(MOST + 1));
    }

    #[test]
    fn one_key_ends_no_logins_of_another() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin(KeyHash::of("admin"), now).unwrap();
        let at = |place: u32| now + Duration::from_secs(place.into());
        let others: Vec<_> =
            (0..1200).map(|n| sessions.begin(KeyHash::of("other"), at(n)).unwrap()).collect();
        assert!(sessions.find(&first, now).is_some());
        let held = others.iter().filter(|token| sessions.find(token, now).is_some());
        assert_eq!(held.count(), MOST_OF_A_KEY);
    }

    #[test]
    fn who_guesses_too_often_waits() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let (one, other) = (address("2001:db8::1"), address("2001:db8:0:1::1"));
        for _ in 0..GUESSES {
            assert_eq!(sessions.waits(one, now), None);
            sessions.guessed(one, now);
        }
        assert_eq!(sessions.waits(address("2001:db8::2"), now), Some(WINDOW));
        assert_eq!(sessions.waits(other, now), None);
        assert_eq!(sessions.waits(one, now + WINDOW), None);
        sessions.guessed(one, now + WINDOW);
        assert_eq!(sessions.waits(one, now + WINDOW), None);
    }
}
