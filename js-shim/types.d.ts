// Types that the shim's files share, on top of Flex's own.
import type * as FlexUI from '@twilio/flex-ui';

export type Flex = typeof FlexUI;
export type Task = FlexUI.ITask;
export type Manager = FlexUI.Manager;
export type Core = import('../pkg/core_bg.js').Core;

/** Empty or absent: Flex goes on. */
export type Answer = { refused?: boolean; options?: object; id?: string } | undefined;
export type Ask = (action: string, payload: object) => Promise<Answer>;

/** Carries out an effect of the core, `{nameOfTheEffect: {…}}`, see src/agent/effect.rs. Resolves to `false` on failure. */
export type Perform = (effect: Record<string, any>) => Promise<boolean>;
/** Shows the agent the text with this name: about one call or conversation, by SID, about messages (`header`), or about all calls. */
export type Notices = (name: string | false | undefined, values?: object, about?: string) => void;
export type CreateNotices = (flex: Flex, manager: Manager) => Notices;
/** `show` makes what a part shows; `add` puts the part somewhere in Flex, if it can be there; `draw` draws all of them again. */
export type CreateLive = (
  show: (
    createElement: (type: any, props: object, ...children: unknown[]) => object,
    props: any,
  ) => object | null,
) => { add: (place: any, name: string, where?: object) => void; draw: () => void };
/** Opens the console of a server in a new tab, with the token that the user has now. */
export type SignIn = (server: string, user?: { token?: string }) => void;
/** Offers the console of a server in Flex's side navigation; without one, none. */
export type CreateConsoleLink = (flex: Flex, manager: Manager) => (effect: { server?: string }) => void;
export type CreateEffects = (
  flex: Flex,
  manager: Manager,
  shell: {
    flagsToClear: (reservation: string, participant: string) => string[];
    /** Tells the core of an event. */
    tell: (event: object) => unknown;
    notices: Notices;
    standBy: (reason: string, error: undefined, wanted: boolean) => void;
    misfit: (error: unknown) => void;
  },
) => Perform;
export type BindActions = (
  flex: Flex,
  manager: Manager,
  core: {
    /** Name, the reason of the departure if the agent leaves a call with it, and the required mode of a transfer. */
    actions: Array<[string, string?, string?]>;
    /** The address for a page's last words. */
    farewell: string;
    ask: Ask;
    /** Tells the core of an event. */
    tell: (event: object) => unknown;
    isIdle: () => boolean;
  },
) => void;
/** After a breakdown the core's state is invalid: no function is called again, neither by us nor by a pending timer or network answer. */
export type Guarded = (exports: WebAssembly.Exports, broken: (error: unknown) => void) => Record<string, any>;
/**
 * Starts the wasm. Rejects when this browser, or its content security policy, does not let it. `broken` is called once, if the
 * core breaks down.
 */
export type LoadCore = (broken: (error: unknown) => void) => Promise<typeof import('../pkg/core_bg.js')>;
/**
 * Live sound that the browser refuses to play: before a click, most browsers play nothing in a page that does not have the
 * microphone yet. Returns what plays it.
 */
export type CreateSound = (tell: (blocked: boolean) => void) => () => void;
/** The text for `name`, with each `{{value}}` filled in. An unknown agent's name is "another agent". */
export type Text = (manager: Manager, name: string, values?: Record<string, any>) => string;
export type CreateSurface = (
  flex: Flex,
  status: () => Record<string, unknown>,
  record: () => { recoveries?: object[]; events?: object[] },
) => void;
