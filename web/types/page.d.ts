/** The shapes of the page's own state. Frames are those of the wire (wire.ts, made from the server's code). */
import type { CardLink, ServerFrame, ClientFrame } from './wire';

export type { ServerFrame, ClientFrame };
export type Of<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;
export type Said = Of<'said'>;
export type Say = Extract<ClientFrame, { type: 'say' }>;

/** What stands at a number of the room. */
export interface Known {
  seq: number;
  /** The line, or null where it is hidden or was taken back. */
  line: Said | null;
  /** What it is about, where it is folded. */
  note?: string;
}

/** How far a line of one's own has come. */
export type Status = 'sending' | 'unsent' | 'wait' | 'acked' | 'held' | 'ask' | 'refused';

export interface Pending {
  key: string;
  body: string;
  ready?: string;
  note?: string;
  no_reply?: boolean;
  /** When it was first sent, in milliseconds. */
  at: number;
  status: Status;
  seq?: number;
  text?: string;
  spans?: Array<{ from: number; to: number }>;
  masked?: string;
  reason?: string;
  retry_after_ms?: number;
}

export interface RoomHead {
  title?: string;
  kind?: string;
  audience?: string;
  state: string;
  guard: number;
  topic?: string;
  about: string;
  on_duty: Array<{ name: string; duty: string }>;
  ready: Array<{ id: string; text: string }>;
  lamp: boolean;
}

/** A line that waits for a human, as those on duty see it. */
export interface HoldHere {
  hold: string;
  room: string;
  name: string;
  duty?: string;
  body: string;
  spans: Array<{ from: number; to: number }>;
  reason: string;
  /** Since when, in milliseconds. */
  at: number;
  /** Whether it passes by itself. */
  passes: boolean;
  /** What was asked of the room and has no answer yet, with the key it was asked with. */
  asked: '' | HoldAct;
  key: string;
  /** Whether this page said that it is being read. */
  looked: boolean;
  /** Why what was asked was not done. */
  text: string;
  /** The room has been entered anew and has not told of it yet. */
  stale: boolean;
}

export type HoldAct = 'look' | 'approve' | 'reject';

/** The card that stands, to this person alone. */
export interface CardHere {
  kind: string;
  text: string;
  links: CardLink[];
}

export interface State {
  epoch: string;
  me: string;
  name: string;
  mode: string;
  entered: boolean;
  /** The newest number that was given. */
  last_seq: number;
  known: Readonly<{ [seq: number]: Known }>;
  order: readonly number[];
  /** First numbers of what is gone. */
  gaps: readonly number[];
  pending: readonly Pending[];
  room: RoomHead | null;
  body_chars_max: number;
  /** Stamps this page gave, as `seq stamp`. */
  stamped: Readonly<{ [what: string]: boolean }>;
  /** Lines this page took back. */
  unsaid: Readonly<{ [seq: number]: boolean }>;
  my_lamp: boolean;
  card: CardHere | null;
  /** For those on duty: what waits, lives first. */
  holds: readonly HoldHere[];
  /** Whether the room has told of all that waits. */
  settled: boolean;
  /** For those on duty: what was seen in a line that passed. */
  marks: Readonly<{ [seq: number]: string }>;
  /** Keys of waiting lines that this page took back. */
  withdrawn: Readonly<{ [key: string]: boolean }>;
  /** A line that was asked back and then not sent; it can still be put back. */
  aside: Pending | null;
  /** A sentence of the room to this person. */
  notice: string;
  /** Why one may not write or be here, as a code of the protocol. */
  block: string;
  /** Whether the history was replaced. */
  afresh: boolean;
}

export type Link = 'opening' | 'live' | 'cut' | 'blocked' | 'ended' | 'stopped';
