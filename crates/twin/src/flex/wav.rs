use axum::body::Bytes;

/// A WAV file of these samples: 8 kHz, mono, 16 bits.
pub(crate) fn wav_file(samples: &[i16]) -> Bytes {
    let size = u32::try_from(2 * samples.len()).unwrap_or(u32::MAX);
    let mut wav = Vec::with_capacity(44 + 2 * samples.len());
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&size.saturating_add(36).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel, samples a second, bytes a second, bytes a sample, bits a sample.
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&8000_u32.to_le_bytes());
    wav.extend_from_slice(&16_000_u32.to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&size.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav.into()
}
