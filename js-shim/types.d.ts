// Names for what passes between the shim's files, on top of Flex's own types.
import type * as FlexUI from '@twilio/flex-ui';

export type Flex = typeof FlexUI;
export type Task = FlexUI.ITask;
export type Manager = FlexUI.Manager;
export type Core = import('../pkg/core_bg.js').Core;

/** Nothing in it, or nothing: Flex goes on. */
export type Answer = { refused?: boolean; options?: object } | undefined;
export type Ask = (action: string, payload: object) => Promise<Answer>;

/** What the core wants done, `{nameOfTheEffect: {…}}`, see src/agent/effect.rs. Brings `false` where it could not be. */
export type Perform = (effect: Record<string, any>) => Promise<boolean>;
/** A line for the agent, by the name of its words: about one call, or, without a reservation, about all of them. */
export type Notices = (name: string | false, values?: object, reservation?: string) => void;
export type CreateNotices = (flex: Flex, manager: Manager) => Notices;
export type CreateEffects = (
  flex: Flex,
  manager: Manager,
  shell: {
    flagsToClear: (reservation: string, participant: string) => string[];
    playSound: () => void;
    notices: Notices;
    standBy: (reason: string, error: undefined, wanted: boolean) => void;
    misfit: (error: unknown) => void;
  },
) => Perform;
export type BindActions = (
  flex: Flex,
  manager: Manager,
  core: {
    /** Name, the reason for which a call is left with it, if it is, and of which kind a transfer has to be. */
    actions: Array<[string, string?, string?]>;
    /** Where a page's last words go. */
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
