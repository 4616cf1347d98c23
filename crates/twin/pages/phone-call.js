// The call itself: voice, WebRTC, loudness.

/** G.711 µ-law only, as on telephones: the other end supports nothing else. */
const CODEC = 'audio/PCMU';

/**
 * The customer's voice: the microphone, or a tone when there is none or it may not be used.
 * @param {boolean} tone Do not even ask for the microphone.
 */
async function voice(tone) {
  if (!tone && navigator.mediaDevices) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
      return {
        stream,
        name: 'your microphone',
        stop: () => stream.getTracks().forEach((track) => track.stop()),
      };
    } catch {
      // Denied or missing: the tone replaces it.
    }
  }
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 660 });
  const quieter = new GainNode(context, { gain: 0.3 });
  const out = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(quieter).connect(out);
  oscillator.start();
  await context.resume();
  return { stream: out.stream, name: 'a 660 Hz tone (no microphone)', stop: () => context.close() };
}

/** Candidates come with the offer: wait for them, up to a time limit. */
function gathered(connection) {
  return new Promise((done) => {
    const check = () => connection.iceGatheringState === 'complete' && done();
    connection.addEventListener('icegatheringstatechange', check);
    setTimeout(done, 1000);
    check();
  });
}

/** Loudness of a stream, 0 to 1. The stream must be played somewhere, or there is nothing to measure. */
function loudness(stream) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    now() {
      analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
      // In decibels, like hearing: −60 dB is 0, −6 dB is 1.
      return rms > 0 ? Math.min(1, Math.max(0, (20 * Math.log10(rms) + 60) / 54)) : 0;
    },
    stop: () => context.close(),
  };
}

/**
 * Dials.
 * @param {{ tone: boolean, player: HTMLAudioElement, speaks: (name: string) => void, deaf: () => void }} how
 *   `speaks` hears what the customer speaks with, `deaf` that no audio gets through
 * @returns {Promise<{ sid: string, level: () => number, close: () => void }>}
 */
export async function dial({ tone, player, speaks, deaf }) {
  const mouth = await voice(tone);
  speaks(mouth.name);
  const connection = new RTCPeerConnection();
  let ear = null;
  const close = () => {
    connection.close();
    mouth.stop();
    ear?.stop();
    player.srcObject = null;
  };
  connection.addEventListener('connectionstatechange', () => {
    if (connection.connectionState === 'failed') deaf();
  });
  try {
    connection.addEventListener('track', ({ track }) => {
      const stream = new MediaStream([track]);
      player.srcObject = stream;
      player.play().catch(() => {});
      ear = loudness(stream);
    });
    const [track] = mouth.stream.getAudioTracks();
    const line = connection.addTransceiver(track, { direction: 'sendrecv', streams: [mouth.stream] });
    const codecs = RTCRtpReceiver.getCapabilities('audio')?.codecs ?? [];
    line.setCodecPreferences(codecs.filter((codec) => codec.mimeType === CODEC));
    await connection.setLocalDescription();
    await gathered(connection);
    const reply = await fetch('/__twin/customer/offer', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sdp: connection.localDescription.sdp }),
    });
    const body = await reply.json();
    if (!reply.ok) throw new Error(body.error);
    await connection.setRemoteDescription({ type: 'answer', sdp: body.sdp });
    return { sid: body.call, level: () => ear?.now() ?? 0, close };
  } catch (error) {
    close();
    throw error;
  }
}
