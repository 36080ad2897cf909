//! Making, using, taking back and doubting slips.

use std::sync::Arc;

use super::queries;
use super::slip::{Slip, SlipNumber, SlipState};
use super::{Identity, Refusal};
use crate::features::audit::Entry;
use crate::platform::clock::Millis;
use crate::platform::ids::below;
use crate::platform::store::{StoreError, Stored};
use crate::protocol::Standing;

/// Letters of a stub's number: none that is taken for another when it is read out.
const STUB_LETTERS: &[u8] = b"ACDEFHJKLMNPRTUVWXY3479";
/// How many of them.
const STUB_LEN: usize = 6;

impl Identity {
    /// New slips with the stubs' numbers, and one entry in the record for all of them. The numbers are seen this once.
    ///
    /// # Errors
    /// As the store's.
    pub async fn make_slips(
        &self,
        standing: Standing,
        n: usize,
        ends: Millis,
        entry: Entry,
    ) -> Stored<Vec<(SlipNumber, String)>> {
        let made: Vec<(SlipNumber, String)> = (0..n)
            .map(|_| (SlipNumber::new(&*self.chance), self.stub()))
            .collect();
        let now = self.clock.now();
        let rows: Arc<Vec<(String, String)>> = Arc::new(
            made.iter()
                .map(|(number, stub)| (stub.clone(), self.keys.slip_hash(number)))
                .collect(),
        );
        let (audit, entry) = (self.audit.clone(), Arc::new(entry));
        self.db
            .write(move |tx| {
                let (audit, entry, rows) = (audit.clone(), Arc::clone(&entry), Arc::clone(&rows));
                Box::pin(async move {
                    for (stub, hash) in rows.iter() {
                        queries::insert_slip(tx, stub, hash, standing.as_str(), now, ends).await?;
                    }
                    audit.append(tx, &entry).await
                })
            })
            .await?;
        Ok(made)
    }

    fn stub(&self) -> String {
        let n_letters = u32::try_from(STUB_LETTERS.len()).unwrap_or(1);
        (0..STUB_LEN)
            .filter_map(|_| STUB_LETTERS.get(below(&*self.chance, n_letters) as usize))
            .map(|letter| char::from(*letter))
            .collect()
    }

    /// All slips that are not long over, the newest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn slips(&self) -> Stored<Vec<Slip>> {
        let now = self.clock.now();
        queries::slips(&self.db)
            .await?
            .into_iter()
            .map(|row| {
                let standing =
                    Standing::from_wire(&row.standing).ok_or_else(|| StoreError::Inconsistent {
                        table: "slip",
                        column: "standing",
                        id: row.id.clone(),
                    })?;
                let (used, revoked) = (row.used_ms.is_some(), row.revoked_ms.is_some());
                Ok(Slip {
                    state: SlipState::of(used, revoked, row.ends_ms, now),
                    stub: row.id,
                    standing,
                    made: row.made_ms,
                    ends: row.ends_ms,
                    doubted: row.doubted_ms.is_some(),
                })
            })
            .collect()
    }

    /// Takes a slip back by its stub's number; whoever came in with it is of their own word from here on. False where there
    /// is no such slip, or it was taken back before.
    ///
    /// # Errors
    /// As the store's.
    pub async fn revoke_slip(self: &Arc<Self>, stub: &str, entry: Entry) -> Stored<bool> {
        let stub = stub.trim().to_ascii_uppercase();
        let (identity, entry, now) = (Arc::clone(self), Arc::new(entry), self.clock.now());
        let revoked = self
            .db
            .write(move |tx| {
                let (identity, entry, stub) =
                    (Arc::clone(&identity), Arc::clone(&entry), stub.clone());
                Box::pin(async move {
                    if !queries::revoke_slip(tx, &stub, now).await? {
                        return Ok(None);
                    }
                    // A socket knows what it was opened with: it closes, and the cookie opens another one.
                    let ended = match queries::end_introduction(tx, &stub).await? {
                        Some(handle) => identity.renew_sessions(tx, &handle, now).await?,
                        None => Vec::new(),
                    };
                    identity.audit.append(tx, &entry).await?;
                    Ok(Some(ended))
                })
            })
            .await?;
        let is_new = revoked.is_some();
        self.tell_ended(revoked.unwrap_or_default());
        Ok(is_new)
    }

    /// Somebody says that they did not use the slip of that number, and it was. Gives the stub's number the first time;
    /// whoever asks is told nothing by it.
    ///
    /// # Errors
    /// As the store's.
    pub async fn doubt_slip(&self, typed: &str) -> Stored<Option<String>> {
        let Some(number) = SlipNumber::parse(typed) else {
            return Ok(None);
        };
        let (hash, now) = (self.keys.slip_hash(&number), self.clock.now());
        self.db
            .write(move |tx| {
                let hash = hash.clone();
                Box::pin(async move { queries::doubt_slip(tx, &hash, now).await })
            })
            .await
    }

    /// What the store keeps of a number that somebody typed.
    pub(super) fn typed_slip(&self, typed: &str) -> Result<String, Refusal> {
        let number = SlipNumber::parse(typed).ok_or(Refusal::BadSlip)?;
        Ok(self.keys.slip_hash(&number))
    }
}
