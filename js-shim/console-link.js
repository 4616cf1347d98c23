// @ts-check
// An entry of Flex's side navigation that opens the operators' console in a tab of its own.
import { createLive } from './live';
import { language, text } from './strings';

/** With a form, so that the token is in no address, and in no history or log. @type {import('./types').SignIn} */
const signIn = (server, user) => {
  const tab = window.open('');
  if (!tab) return; // the browser says that it was blocked
  tab.opener = null;
  /** @type {(name: string, properties: object) => any} */
  const make = (name, properties) => Object.assign(tab.document.createElement(name), properties);
  const form = make('form', { method: 'post', action: `${server}/console/session` });
  form.append(make('input', { type: 'hidden', name: 'flexToken', value: user?.token ?? '' }));
  // The server wants to know where the form comes from, whatever Flex's page keeps back.
  tab.document.head.append(make('meta', { name: 'referrer', content: 'origin' }));
  tab.document.body.append(form);
  form.submit();
};

/** @type {import('./types').CreateConsoleLink} */
export const createConsoleLink = (flex, manager) => {
  let server = /** @type {string | undefined} */ (undefined);
  const { add, draw } = createLive((create, { showLabel }) => {
    if (!server || !flex.SideLink) return null;
    const name = text(manager, 'console');
    const look = { icon: 'OpenInNewWindow', title: name, 'aria-label': name, lang: language(manager) };
    const onClick = () => server && signIn(server, manager.store.getState().flex.session?.ssoTokenPayload);
    return create(flex.SideLink, { ...look, showLabel, onClick }, 'Rejoin');
  });
  add(flex.SideNav, 'console');
  return (effect) => {
    server = effect.server;
    draw();
  };
};
