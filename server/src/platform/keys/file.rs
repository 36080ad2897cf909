//! The key-encryption key: a file that only its owner can read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use crate::platform::ids::{Chance, new_id};
use crate::platform::sealing::{self, DataKey, Place, Unsealable};

/// The name under which systemd may hand the key over (`LoadCredential=engawa-key:…`).
pub const CREDENTIAL_NAME: &str = "engawa-key";

/// What a key derived from the key-encryption key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tagging session tokens, so that a copy of the database holds nothing to log in with.
    Sessions,
    /// The pepper over the hashes of passwords and of words to come back by.
    Pepper,
    /// Sealing the secrets of people with powers (TOTP).
    StaffSecrets,
    /// Binding the chain of the audit log.
    Audit,
    /// Sealing what travels between nodes.
    Bus,
    /// Hashing whom nodes count together.
    Limits,
    /// Hashing the numbers of slips.
    Slips,
    /// Telling one key file from another.
    Identity,
}

impl Purpose {
    const fn text(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Pepper => "pepper",
            Self::StaffSecrets => "staff-secrets",
            Self::Audit => "audit",
            Self::Bus => "bus",
            Self::Limits => "limits",
            Self::Slips => "slips",
            Self::Identity => "identity",
        }
    }
}

/// The key-encryption key as its file has it: one key a line, base64; the n-th line is version n. The last
/// one wraps, all of them unwrap, so that a rotation appends a line.
#[derive(Debug)]
pub struct KeyFile {
    versions: Vec<DataKey>,
    created: bool,
}

/// Why there is no key-encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system said no.
    #[error("the key file {} cannot be read or made", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Others than the owner could read it, so it may be known already.
    #[error(
        "the key file {} can be reached by others than its owner (mode {mode:03o}); make it 600 once you have made sure that nobody else has read it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not 32 bytes of base64 a line.
    #[error("the key file {}, line {line}, is not 32 bytes in base64", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

impl KeyFile {
    /// Takes the key from systemd's credentials folder when it holds one, else from `path`; makes the file
    /// (mode 0600) when there is none. Nodes that start at once all end up with one key.
    pub fn open(
        path: &Path,
        credentials_folder: Option<&Path>,
        chance: &dyn Chance,
    ) -> Result<Self, KeyFileError> {
        if let Some(credential) = credentials_folder.map(|folder| folder.join(CREDENTIAL_NAME)) {
            // systemd guards its own folder; the modes in it are not ours to judge.
            if credential.exists() {
                return Self::read(&credential, false);
            }
        }
        let io = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let created = !path.try_exists().map_err(io)? && make(path, chance).map_err(io)?;
        let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        Self::read(path, created)
    }

    /// A key that stands in no file: for tests and throwaway demos.
    pub fn throwaway(chance: &dyn Chance) -> Self {
        Self {
            versions: vec![DataKey::new(chance)],
            created: true,
        }
    }

    /// Whether the file was made just now; then the operator must be told to keep a copy apart.
    pub fn created(&self) -> bool {
        self.created
    }

    /// The key for one purpose. It hangs on the first version, so that a rotation ends no session.
    pub fn key_for(&self, purpose: Purpose) -> DataKey {
        self.versions[0].derive(purpose.text())
    }

    /// What tells this file from another one, and nothing of its keys. A rotation does not change it.
    pub fn identity(&self) -> String {
        let tag = self.key_for(Purpose::Identity).tag(b"key file");
        HEXLOWER.encode(&tag[..8])
    }

    /// Wraps a data key; the version that wrapped it stands in front.
    pub(super) fn wrap(&self, id: &str, key: &DataKey, chance: &dyn Chance) -> Vec<u8> {
        let version = self.versions.len();
        let byte = u8::try_from(version).expect("read() refuses more than 255 lines");
        let mut wrapped = vec![byte];
        wrapped.extend(sealing::seal(
            &self.versions[version - 1].derive("wrap"),
            &place(id, byte),
            key.expose(),
            chance,
        ));
        wrapped
    }

    /// Unwraps what [`KeyFile::wrap`] made for the same id.
    pub(super) fn unwrap_key(&self, id: &str, wrapped: &[u8]) -> Result<DataKey, Unsealable> {
        let (&version, sealed) = wrapped.split_first().ok_or(Unsealable)?;
        let key = usize::from(version)
            .checked_sub(1)
            .and_then(|idx| self.versions.get(idx))
            .ok_or(Unsealable)?;
        sealing::open_key(&key.derive("wrap"), &place(id, version), sealed)
    }

    fn read(path: &Path, created: bool) -> Result<Self, KeyFileError> {
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        })?);
        let mut versions = Vec::new();
        for (idx, line) in text.trim_end().split('\n').enumerate() {
            let key = BASE64
                .decode(line.trim().as_bytes())
                .ok()
                .map(Zeroizing::new)
                .and_then(|bytes| DataKey::from_bytes(&bytes))
                .filter(|_| idx < usize::from(u8::MAX));
            versions.push(key.ok_or_else(|| KeyFileError::Malformed {
                path: path.to_owned(),
                line: idx + 1,
            })?);
        }
        Ok(Self { versions, created })
    }
}

fn place(id: &str, version: u8) -> Place<'_> {
    Place {
        key_version: i64::from(version),
        ..Place::of("data_key", id, "key")
    }
}

/// Writes a new key beside `path` and links it into place, so that no reader ever sees half a file and of two
/// nodes that start at once one wins. Answers whether it was this one.
fn make(path: &Path, chance: &dyn Chance) -> io::Result<bool> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".engawa-key-{}", new_id(chance)));
    let key = DataKey::new(chance);
    let line = Zeroizing::new(format!("{}\n", BASE64.encode(key.expose())));
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    })();
    let _ = fs::remove_file(&draft);
    fs::File::open(folder)?.sync_all()?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SystemChance;

    fn open(path: &Path) -> Result<KeyFile, KeyFileError> {
        KeyFile::open(path, None, &SystemChance)
    }

    #[test]
    fn the_first_start_makes_a_file_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/engawa.key");
        let first = open(&path).unwrap();
        assert!(first.created());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = open(&path).unwrap();
        assert!(!second.created());
        let tag = |file: &KeyFile| file.key_for(Purpose::Sessions).tag(b"x");
        assert_eq!(tag(&first), tag(&second));
        assert_ne!(
            tag(&first),
            first.key_for(Purpose::Audit).tag(b"x"),
            "purposes must not share a key"
        );
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "the draft is gone");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engawa.key");
        open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("mode 640"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engawa.key");
        for bad in ["", "hello\n", "c2hvcnQ=\n"] {
            fs::write(&path, bad).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = open(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::Malformed { line: 1, .. }));
            assert!(!error.to_string().contains("hello"));
        }
    }

    #[test]
    fn a_rotated_file_still_unwraps_what_the_first_key_wrapped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engawa.key");
        let before = open(&path).unwrap();
        let key = DataKey::new(&SystemChance);
        let wrapped = before.wrap("id", &key, &SystemChance);
        let more = BASE64.encode(DataKey::new(&SystemChance).expose());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{more}\n")).unwrap();
        let after = open(&path).unwrap();
        assert_eq!(
            after.unwrap_key("id", &wrapped).unwrap().expose(),
            key.expose()
        );
        let again = after.wrap("id", &key, &SystemChance);
        assert!(before.unwrap_key("id", &again).is_err());
        assert!(after.unwrap_key("id", &again).is_ok());
        assert!(after.unwrap_key("another", &again).is_err());
        assert_eq!(
            before.key_for(Purpose::Pepper).tag(b"x"),
            after.key_for(Purpose::Pepper).tag(b"x")
        );
    }

    #[test]
    fn a_credential_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = tempfile::tempdir().unwrap();
        let key = BASE64.encode(DataKey::new(&SystemChance).expose());
        fs::write(credentials.path().join(CREDENTIAL_NAME), key).unwrap();
        let path = folder.path().join("engawa.key");
        let file = KeyFile::open(&path, Some(credentials.path()), &SystemChance).unwrap();
        assert!(!file.created());
        assert!(!path.exists());
    }

    #[test]
    fn p5_the_key_file_does_not_print_its_keys() {
        let printed = format!("{:?}", KeyFile::throwaway(&SystemChance));
        assert_eq!(printed, "KeyFile { versions: […], created: true }");
    }
}
