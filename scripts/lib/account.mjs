// What an administrator sets in the twin's account by hand.

import { Advice } from './say.mjs';

/** @typedef {{TWILIO_ACCOUNT_SID: string, TWILIO_AUTH_TOKEN: string}} Credentials */

/** Requests to Twilio's APIs as this account. */
function api(/** @type {string} */ twinUrl, /** @type {Credentials} */ credentials) {
  const { TWILIO_ACCOUNT_SID: user, TWILIO_AUTH_TOKEN: password } = credentials;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return async (/** @type {string} */ path, /** @type {RequestInit} */ { headers, ...request } = {}) => {
    const answer = await fetch(`${twinUrl}/__tw/${path}`, {
      ...request,
      headers: { authorization, ...headers },
    });
    if (!answer.ok) throw new Advice(`The twin does not take ${path}: ${await answer.text()}`);
    return answer.json();
  };
}

/** Names these servers to desktops, in Flex's configuration. */
export async function nameServers(
  /** @type {string} */ twinUrl,
  /** @type {Credentials} */ credentials,
  /** @type {string[]} */ servers,
) {
  const ask = api(twinUrl, credentials);
  const path = 'flex-api.twilio.com/v1/Configuration';
  const { ui_attributes: attributes } = await ask(path);
  const custom_data = { ...attributes.custom_data, rejoin: { servers } };
  const ui_attributes = { ...attributes, custom_data };
  const body = JSON.stringify({ account_sid: credentials.TWILIO_ACCOUNT_SID, ui_attributes });
  await ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
}

/** Has the events of chats' agents sent to the server (docs/conversations.md, Set-up). */
export async function sendInteractions(
  /** @type {string} */ twinUrl,
  /** @type {Credentials} */ credentials,
  /** @type {string} */ serverUrl,
) {
  const instance = credentials.TWILIO_ACCOUNT_SID.replace(/^AC/, 'GO');
  const body = new URLSearchParams({
    WebhookUrl: `${serverUrl}/webhooks/interactions`,
    WebhookMethod: 'POST',
    Type: 'global',
  });
  for (const event of ['onParticipantJoined', 'onParticipantLeft', 'onChannelStatusUpdated'])
    body.append('WebhookEvents', event);
  const path = `flex-api.twilio.com/v1/Instances/${instance}/InteractionWebhooks`;
  await api(twinUrl, credentials)(path, { method: 'POST', body });
}
