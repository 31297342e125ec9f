//! What changes seldom (subsidiaries, accounts, currencies) in a file, for later jobs: `snapshot_hours`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::directory::{Key, Told};
use super::reference::By;
use super::table::Named;
use crate::file::{Access, replace};

/// The file, and whose it is.
#[derive(Debug)]
pub(super) struct Snapshot {
    file: PathBuf,
    account: String,
    life: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    account: String,
    rows: Vec<KeptRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptRow {
    table: String,
    by: By,
    value: String,
    /// When NetSuite told it: seconds since 1970.
    at: u64,
    cells: Vec<BTreeMap<String, String>>,
}

impl Snapshot {
    /// What is in it holds for `life`.
    pub(super) fn new(folder: &Path, account: &str, life: Duration) -> Self {
        // A file for each account, so that none takes another one's place.
        let name = account.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        let file = folder.join(format!("netsuite-references-{name}.json"));
        Self { file, account: account.to_owned(), life }
    }

    /// What earlier jobs were told, of this account and not too long ago.
    pub(super) fn read(&self) -> Vec<(Key, Told)> {
        let text = std::fs::read(&self.file).unwrap_or_default();
        let Ok(kept) = serde_json::from_slice::<Kept>(&text) else { return Vec::new() };
        if kept.account != self.account {
            return Vec::new();
        }
        let now = now();
        let told = |KeptRow { table, by, value, at, cells }| {
            // One of the future is of a clock that went wrong.
            let age = Duration::from_secs(now.checked_sub(at)?);
            let rows = cells.into_iter().map(|cells| Arc::new(cells.into_iter().collect()));
            let told = (Key { table, kind: None, by, value }, Told::new(rows.collect(), age));
            (age < self.life).then_some(told)
        };
        kept.rows.into_iter().filter_map(told).collect()
    }

    /// Keeps what lasts. That it cannot be kept costs a question in the next job, and no more.
    pub(super) fn write<'a>(&self, known: impl Iterator<Item = (&'a Key, &'a Told)>) {
        let rows = known.filter(|(key, told)| {
            !told.rows.is_empty() && Named::of(&key.table).is_some_and(|named| named.is_lasting)
        });
        let now = now();
        let rows = rows.map(|(key, told)| KeptRow {
            table: key.table.clone(),
            by: key.by,
            value: key.value.clone(),
            at: now.saturating_sub(told.age().as_secs()),
            cells: told
                .rows
                .iter()
                .map(|row| {
                    row.into_iter().map(|(name, cell)| (name.clone(), cell.clone())).collect()
                })
                .collect(),
        });
        let kept = Kept { account: self.account.clone(), rows: rows.collect() };
        let folder = self.file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let saved = folder.and_then(|()| {
            replace(&self.file, Access::Owner, |out| {
                serde_json::to_writer(out, &kept).map_err(std::io::Error::from)
            })
        });
        if let Err(error) = saved {
            tracing::debug!(%error, "What NetSuite told of its reference data cannot be kept.");
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn key(table: &str, value: &str) -> Key {
        let (by, value) = (By::Name, value.to_owned());
        Key { table: table.to_owned(), kind: None, by, value }
    }

    fn told(id: &str, secs: u64) -> Told {
        let row = [("id".to_owned(), id.to_owned())].into_iter().collect();
        Told::new(vec![Arc::new(row)], Duration::from_secs(secs))
    }

    #[test]
    fn what_lasts_is_kept_for_its_account_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let open = |account, secs| Snapshot::new(folder.path(), account, Duration::from_secs(secs));
        assert!(open("1", 60).read().is_empty());
        let all = [
            (key("location", "Berlin"), told("2", 0)),
            (key("location", "Bern"), told("3", 50)),
            (key("location", "Nowhere"), Told::new(Vec::new(), Duration::ZERO)),
            (key("vendor", "Acme"), told("4", 0)),
        ];
        open("1", 60).write(all.iter().map(|(key, told)| (key, told)));
        let read = |account, secs| {
            let mut read: Vec<String> =
                open(account, secs).read().into_iter().map(|(key, _)| key.value).collect();
            read.sort();
            read
        };
        assert_eq!(read("1", 60), ["Berlin", "Bern"]);
        assert_eq!(read("1", 40), ["Berlin"]);
        assert!(read("2", 60).is_empty());
        // What is written again is as old as it was.
        let again = open("1", 60).read();
        open("1", 60).write(again.iter().map(|(key, told)| (key, told)));
        assert_eq!(read("1", 40), ["Berlin"]);
        replace(&open("1", 60).file, Access::Owner, |out| out.write_all(b"{")).unwrap();
        assert!(read("1", 60).is_empty());
    }
}
