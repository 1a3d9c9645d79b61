import type { HeadraceClient } from './client.js';
import type { ChatMessage } from './messages.js';
import type { Reply, StreamOptions } from './reply.js';
import type { Store } from './store.js';
import { Turn } from './turn.js';

export interface Reader {
  /** Read a reply to its end, as the one on its way. */
  read(turn: Turn, reply: Reply): Promise<void>;
  finish(turn: Turn): void;
  options(turn: Turn): StreamOptions;
  /** See how the conversation stands. */
  look(): Promise<void>;
}

/** Has replies that were cut go on from their own text, in their own place. */
export class Continuing {
  constructor(
    private readonly client: HeadraceClient,
    private readonly store: Store,
    private readonly reader: Reader,
  ) {}

  /** False where its model cannot. */
  async go(reply: ChatMessage, continues: string): Promise<boolean> {
    const { store, reader } = this;
    const turn = new Turn(null, reply.id, continues);
    store.forgive();
    const { conversationId } = store;
    const going = this.client.continueReply({ conversationId, continues }, reader.options(turn));
    const accepted = going.accepted.then((generationId) => turn.accepted(generationId)).catch(() => {});
    await reader.read(turn, going);
    await accepted;
    const { error } = turn;
    if (turn.generationId !== null) reader.finish(turn);
    else if (store.turn === turn) {
      store.leave();
      store.publish();
      if (error?.code === 'model_cannot_continue') return false;
      if (error) store.fail(error, async () => void (await this.go(reply, continues)));
      void reader.look();
    }
    return true;
  }
}
