//! Tenants that were added over HTTP, their accounts and their keys.

use rusqlite::{Connection, Transaction, params};

use super::Queue;
use crate::serve::secret::KeyHash;
use crate::serve::tenants::TenantName;
use crate::store::StoreError;

/// A key that was made over HTTP, as it is kept.
#[derive(Clone, Debug)]
pub(in crate::serve) struct KeptKey {
    /// What it is called by: no secret.
    pub(in crate::serve) id: String,
    pub(in crate::serve) tenant: TenantName,
    pub(in crate::serve) hash: KeyHash,
    pub(in crate::serve) created_millis: i64,
}

impl Queue {
    /// The tenants that were added.
    pub(in crate::serve) fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        self.read(|connection| {
            connection
                .prepare("SELECT environment, tenant FROM tenants")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// The accounts that were given: whose, at which connector, and what is in it, encrypted.
    pub(in crate::serve) fn accounts(
        &self,
    ) -> Result<Vec<(TenantName, String, String)>, StoreError> {
        self.read(|connection| {
            connection
                .prepare("SELECT environment, tenant, connector, config FROM accounts")?
                .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?)))?
                .collect()
        })
    }

    /// The keys that were made.
    pub(in crate::serve) fn keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        self.read(|connection| {
            connection
                .prepare("SELECT id, environment, tenant, hash, created_millis FROM keys")?
                .query_map([], |row| {
                    Ok(KeptKey {
                        id: row.get(0)?,
                        tenant: (row.get(1)?, row.get(2)?),
                        hash: KeyHash::kept(row.get(3)?),
                        created_millis: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// Adds a tenant, without what one of this id had before.
    pub(in crate::serve) async fn add_tenant(&self, name: TenantName) -> Result<(), StoreError> {
        let now = chrono::Utc::now().timestamp_millis();
        self.write(move |transaction| {
            remove(transaction, &name)?;
            let sql = "INSERT INTO tenants (environment, tenant, created_millis)
                       VALUES (?, ?, ?)";
            transaction.execute(sql, params![name.0, name.1, now]).map(drop)
        })
        .await
    }

    /// Takes a tenant out, with its accounts and keys.
    pub(in crate::serve) async fn remove_tenant(&self, name: TenantName) -> Result<(), StoreError> {
        self.write(move |transaction| remove(transaction, &name)).await
    }

    /// Keeps what is in an account, encrypted; without it, forgets it.
    pub(in crate::serve) async fn set_account(
        &self,
        name: TenantName,
        connector: String,
        sealed: Option<String>,
    ) -> Result<(), StoreError> {
        let now = chrono::Utc::now().timestamp_millis();
        let set = move |transaction: &Transaction<'_>| match sealed {
            Some(sealed) => transaction.execute(
                "INSERT OR REPLACE INTO accounts
                     (environment, tenant, connector, config, updated_millis)
                 VALUES (?, ?, ?, ?, ?)",
                params![name.0, name.1, connector, sealed, now],
            ),
            None => transaction.execute(
                "DELETE FROM accounts WHERE environment = ? AND tenant = ? AND connector = ?",
                params![name.0, name.1, connector],
            ),
        };
        self.write(move |transaction| set(transaction).map(drop)).await
    }

    /// Keeps a key.
    pub(in crate::serve) async fn add_key(&self, key: KeptKey) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let KeptKey { id, tenant: (environment, tenant), hash, created_millis } = key;
            let sql = "INSERT INTO keys (id, environment, tenant, hash, created_millis)
                       VALUES (?, ?, ?, ?, ?)";
            let of = params![id, environment, tenant, hash.bytes(), created_millis];
            transaction.execute(sql, of).map(drop)
        })
        .await
    }

    /// Forgets a key.
    pub(in crate::serve) async fn remove_key(&self, id: String) -> Result<(), StoreError> {
        self.write(move |transaction| {
            transaction.execute("DELETE FROM keys WHERE id = ?", [id]).map(drop)
        })
        .await
    }
}

fn remove(connection: &Connection, (environment, tenant): &TenantName) -> rusqlite::Result<()> {
    for table in ["tenants", "accounts", "keys"] {
        let sql = format!("DELETE FROM {table} WHERE environment = ? AND tenant = ?");
        connection.execute(&sql, params![environment, tenant])?;
    }
    Ok(())
}
