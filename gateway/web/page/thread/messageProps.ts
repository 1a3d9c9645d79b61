import type { ChatMessage } from '../../client/index.js';

/** What can be done with a message. The same object for as long as a conversation is shown. */
export interface MessageActions {
  regenerate(id: string): void;
  retry(): void;
  /** Open a message for editing; null closes it. */
  edit(id: string | null): void;
  resend(id: string, text: string): void;
  /** Take a message back that has no turn yet: its text is in the message box again. */
  takeBack(id: string): void;
  /** Send a message that was not taken. */
  sendAgain(id: string): void;
  /** Open the message that a reply answers for editing. */
  editQuestion(id: string): void;
  /** Show another version of a turn. */
  showBranch(generationId: string): void;
  /** Have a reply that was cut continued. */
  goOn(id: string): void;
  askKey: (() => void) | undefined;
  newChat: (() => void) | undefined;
}

export interface MessageProps {
  message: ChatMessage;
  isLast: boolean;
  isEditing: boolean;
  /** It is what was looked for. */
  isFound: boolean;
  /** Whether the conversation is free to go on from here. */
  canAct: boolean;
  /** Of the reply on its way, else null. */
  live: { queuePlace: number | null; tokensPerSecond: number | null } | null;
  actions: MessageActions;
}
