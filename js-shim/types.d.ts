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
export type Ask = (name: string, details: object) => Promise<Answer>;
/** See src/agent/dialog.rs. */
export type DialogContent = { kind: string; until?: number };
export type RejoinDialog = { show(content: DialogContent): void; hide(): void };
