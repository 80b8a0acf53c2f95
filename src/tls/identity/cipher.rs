//! The block ciphers that private keys are encrypted with, in CBC mode with PKCS#7 padding.

use cbc::{
    Decryptor,
    cipher::{
        BlockCipherDecrypt, BlockModeDecrypt as _, KeyInit, KeyIvInit as _, block_padding::Pkcs7,
    },
};
use zeroize::Zeroizing;

/// A cipher for private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    /// DES-EDE3: three keys.
    TripleDes,
}

/// The longest key of these, bytes.
pub(super) const MAX_KEY_BYTES: usize = 32;

impl Cipher {
    pub(super) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    /// Length of the initialization vector.
    pub(super) fn block_bytes(self) -> usize {
        match self {
            Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// Decrypts in place. `None` when the padding is wrong, as it mostly is with a wrong key; also when
    /// the lengths of key or vector are not the cipher's.
    pub(super) fn decrypt(
        self,
        key: &[u8],
        vector: &[u8],
        mut text: Zeroizing<Vec<u8>>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let length = match self {
            Self::Aes128 => decrypt::<aes::Aes128Dec>(key, vector, &mut text),
            Self::Aes192 => decrypt::<aes::Aes192Dec>(key, vector, &mut text),
            Self::Aes256 => decrypt::<aes::Aes256Dec>(key, vector, &mut text),
            Self::TripleDes => decrypt::<des::TdesEde3>(key, vector, &mut text),
        }?;
        text.truncate(length);
        Some(text)
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    vector: &[u8],
    text: &mut [u8],
) -> Option<usize> {
    let decryptor = Decryptor::<C>::new_from_slices(key, vector).ok()?;
    Some(decryptor.decrypt_padded::<Pkcs7>(text).ok()?.len())
}
