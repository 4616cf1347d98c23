// Types that the shim's files share, on top of Flex's own.
import type * as FlexUI from '@twilio/flex-ui';

export type Flex = typeof FlexUI;
export type Task = FlexUI.ITask;
export type Manager = FlexUI.Manager;
export type Core = import('../pkg/core_bg.js').Core;

/** Empty or absent: Flex goes on. */
export type Answer = { refused?: boolean; options?: object } | undefined;
export type Ask = (action: string, payload: object) => Promise<Answer>;

/** Carries out an effect of the core, `{nameOfTheEffect: {…}}`, see src/agent/effect.rs. Resolves to `false` on failure. */
export type Perform = (effect: Record<string, any>) => Promise<boolean>;
/** Shows the agent the text with this name: about one call, or, without a reservation, about all calls. */
export type Notices = (name: string | false, values?: object, reservation?: string) => void;
export type CreateNotices = (flex: Flex, manager: Manager) => Notices;
export type CreateEffects = (
  flex: Flex,
  manager: Manager,
  shell: {
    flagsToClear: (reservation: string, participant: string) => string[];
    playSound: () => void;
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
    isIdle: () => boolean;
  },
) => void;
export type CreateSurface = (
  flex: Flex,
  status: () => Record<string, unknown>,
  record: () => { recoveries?: object[]; events?: object[] },
) => void;
