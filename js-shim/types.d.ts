// Names for what passes between the shim's files, on top of Flex's own types.
import type * as FlexUI from '@twilio/flex-ui';

export type Flex = typeof FlexUI;
export type Task = FlexUI.ITask;
export type Manager = FlexUI.Manager;
export type Core = import('../pkg/core_bg.js').Core;

/** `{nameOfTheEvent: {…}}`, see src/agent/event.rs. */
export type Event = Record<string, object>;
/** Nothing in it: Flex goes on. */
export type Answer = { refused?: boolean; options?: object };
export type Ask = (name: string, details: Record<string, any>) => Promise<Answer>;
/** Live sound that the browser would not play. */
export type Sound = { play(): void };

/** What the core wants done, `{nameOfTheEffect: {…}}`, see src/agent/effect.rs. Brings `false` where it could not be. */
export type Perform = (effect: Record<string, any>) => Promise<boolean>;
/** A line for the agent, by the name of its words: about one call, or, without a reservation, about all of them. */
export type Notices = (name: string | false, values?: object, reservation?: string) => void;
export type CreateNotices = (flex: Flex, manager: Manager) => Notices;
export type CreateEffects = (
  flex: Flex,
  manager: Manager,
  shell: {
    sound: Sound;
    notices: Notices;
    standBy: (reason: string, error: undefined, wanted: boolean) => void;
  },
) => Perform;
/** Rejects where this Flex lacks what the plugin needs. */
export type WorkerKnown = (flex: Flex, manager: Manager) => Promise<void>;
export type WatchFlex = (
  flex: Flex,
  manager: Manager,
  core: {
    emit: (event: Event) => void;
    ask: Ask;
    elect: (worker: string) => Promise<boolean>;
    failed: (error: unknown) => void;
  },
) => void;
/** Called before Flex acts. Nothing, or nothing in it: Flex goes on. */
export type Before = (task: Task | undefined, payload: any) => Promise<Answer> | undefined | false;
export type CreateSurface = (
  flex: Flex,
  status: () => Record<string, unknown>,
  record: () => { recoveries?: object[]; events?: object[] },
) => void;
