//! Times in configs and manifests. Bounded, so that none leads beyond what a clock can tell.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest time: no quota, lag or memory of a remote's is longer than a month.
pub const MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// What a time can be, for people.
pub const EXPECTED: &str = "0 to 2678400 seconds (31 days)";

/// A time in seconds, from 0 to 31 days. It may have a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(Duration);

impl Seconds {
    /// So many, or 31 days where that is less.
    pub const fn of(secs: u64) -> Self {
        if secs < MAX.as_secs() { Self(Duration::from_secs(secs)) } else { Self(MAX) }
    }

    /// So many, unless they are too many or less than none.
    pub fn parse(secs: f64) -> Option<Self> {
        Duration::try_from_secs_f64(secs).ok().filter(|time| *time <= MAX).map(Self)
    }

    /// The time.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_f64<E>(self, secs: f64) -> Result<f64, E> {
                Ok(secs)
            }

            #[expect(clippy::cast_precision_loss, reason = "what is not exact is beyond the bound")]
            fn visit_u64<E>(self, secs: u64) -> Result<f64, E> {
                Ok(secs as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "what is not exact is beyond the bound")]
            fn visit_i64<E>(self, secs: i64) -> Result<f64, E> {
                Ok(secs as f64)
            }
        }

        let secs = deserializer.deserialize_f64(Number)?;
        Self::parse(secs).ok_or_else(|| D::Error::invalid_value(Unexpected::Float(secs), &EXPECTED))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => serializer.serialize_u64(self.0.as_secs()),
            _ => serializer.serialize_f64(self.0.as_secs_f64()),
        }
    }
}

/// A time that is longer than none.
pub(super) fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
    let time = Seconds::deserialize(deserializer)?;
    if time.0.is_zero() {
        return Err(D::Error::invalid_value(Unexpected::Float(0.0), &"more than 0 seconds"));
    }
    Ok(time)
}

/// A number of whole seconds, from 1 to 31 days.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let secs = u32::deserialize(deserializer)?;
    let is_good = secs > 0 && Seconds::parse(secs.into()).is_some();
    let expected = "1 to 2678400 seconds (31 days)";
    let told = || D::Error::invalid_value(Unexpected::Unsigned(secs.into()), &expected);
    is_good.then_some(secs).ok_or_else(told)
}

impl JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": MAX.as_secs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_none_to_31_days() {
        let read = |text: &str| serde_json::from_str::<Seconds>(text).map(Seconds::duration);
        for (text, millis) in
            [("0", 0), ("-0.0", 0), ("0.25", 250), ("7", 7000), ("2678400", 2_678_400_000)]
        {
            assert_eq!(read(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in
            ["2678400.1", "2678401", "1e19", "18446744073709551615", "-1", "-0.001", "\"7\""]
        {
            let told = read(text).unwrap_err().to_string();
            assert!(told.contains("expected 0 to 2678400 seconds (31 days)"), "{text}: {told}");
        }
        assert_eq!(Seconds::of(u64::MAX).duration(), MAX);
        assert_eq!(Seconds::parse(f64::NAN), None);
    }
}
