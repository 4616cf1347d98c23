// @ts-check
// Every word that an agent or developer reads. Each can be replaced through `manager.strings`, under the same key.
/** @type {Record<string, string>} */
const strings = {
  RejoinCheckingTitle: 'Checking your call',
  RejoinChecking: 'This page was reloaded during a call. One moment, please.',
  RejoinUnreachableTitle: 'Your call cannot be checked',
  RejoinUnreachable:
    'The recovery service does not answer. You can go on; a call that comes back to you will ring.',
  RejoinInterruptedTitle: 'Your call was interrupted',
  RejoinInterrupted: 'We are putting you back on the call. The customer is still on the line.',
  RejoinCountdown: 'Otherwise another agent takes over in {{seconds}} s.',
  RejoinInPlaceTitle: 'Putting you back on the call',
  RejoinInPlace: 'The customer is still on the line. You do not have to do anything.',
  RejoinReconnectingTitle: 'Reconnecting you',
  RejoinReconnecting: 'The customer is still on the line. You do not have to do anything.',
  RejoinSlowTitle: 'This takes longer than expected',
  RejoinSlow: 'The customer is not forgotten. You can go on; a call that comes back to you will ring.',
  RejoinRejoinedTitle: 'Reconnected',
  RejoinRejoined: 'You are back on the call.',
  RejoinWaitingForOtherTitle: 'Another agent will take over',
  RejoinWaitingForOther: 'You could not be reconnected in time. The customer is at the front of the queue.',
  RejoinHandedOverTitle: '{{name}} has taken over',
  RejoinHandedOver: 'You could not be reconnected in time. The customer is being helped.',
  RejoinCustomerLeftTitle: 'The customer has hung up',
  RejoinCustomerLeft: 'The call ended while you were being reconnected.',
  RejoinFailedTitle: 'The call could not be recovered',
  RejoinFailed: '{{reason}}',
  RejoinContinue: 'Continue',
  RejoinClose: 'Close',
  RejoinOk: 'OK',
  RejoinTakeOver: '{{name}} lost the connection to this customer {{seconds}} s ago.',
  RejoinTakeOverUndated: '{{name}} lost the connection to this customer.',
  RejoinTakeOverOwn: 'You lost the connection to this customer before.',
  RejoinAnotherAgent: 'Another agent',
  RejoinForeignCallback:
    'another conferenceStatusCallback is set on this call, so it cannot be recovered. Remove it, or let it pass the events on.',
  RejoinNotInPlace:
    'this Flex UI cannot leave a call standing over a reload, so every interrupted call goes through the queue.',
  RejoinRefused:
    'the server refuses requests of this desktop (HTTP {{status}}). Check its account and worker.',
};

/**
 * The words for `name`, with each `{{value}}` filled in. A name that nobody knows is "another agent".
 * @param {import('./types').Manager} manager
 * @param {string} name
 * @param {object} [values]
 * @returns {string}
 */
export const text = (manager, name, values) => {
  const key = `Rejoin${name[0].toUpperCase()}${name.slice(1)}`;
  /** @type {Record<string, string>} */
  const words = { ...strings, .../** @type {any} */ (manager.strings) };
  const known = Object.entries(values ?? {}).filter(([, value]) => value != null);
  const filled = new Map([['name', words.RejoinAnotherAgent], ...known]);
  return words[key].replace(/{{(\w+)}}/g, (_, part) => String(filled.get(part) ?? ''));
};
