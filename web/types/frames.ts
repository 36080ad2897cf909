// The frames this page uses. Stands in for wire.ts, which is made from the server's code.
export type Duty = 'host' | 'supporter' | 'staff';
export type StampKind = 'nod' | 'listening' | 'thanks' | 'warm' | 'same';
export interface LineOut {
  room: string; seq: number; from?: { id: string; name: string; duty?: Duty }; body: string; at: string; note?: string;
  no_reply?: boolean; form?: 'topic' | 'time' | 'word' | 'ready'; stamps?: StampKind[];
}
interface Head {
  state: string; guard: number; topic?: string; slow_ms: number; about: string;
  on_duty: Array<{ name: string; duty: Duty }>; ready: Array<{ id: string; text: string }>; lamp: boolean;
}
export type ServerFrame =
  | { type: 'welcome'; now: string; you: { id: string; name: string; roles: unknown[] }; limits: { body_chars_max: number } }
  | ({ type: 'entered'; room: string; epoch: string; you: { id: string; name: string }; readers: Array<{ role: string }>;
      forgets_at: string; title: string; kind: string; audience: string; messages: ServerFrame[]; last_seq: number;
      gap?: { from: number; to: number }; waiting_lines: Array<{ key: string; body: string; reason: string }> } & Head)
  | { type: 'waiting'; room: string; text: string }
  | { type: 'admitted'; room: string; text: string }
  | ({ type: 'said' } & LineOut)
  | { type: 'acked'; key: string; room: string; seq: number; at: string }
  | { type: 'held'; key: string; room: string; reason: string; text: string }
  | { type: 'ask'; key: string; room: string; reason: string; text: string; spans: Array<{ from: number; to: number }>; masked?: string }
  | { type: 'refused'; key?: string; room?: string; code: string; text: string; retry_after_ms?: number }
  | { type: 'card'; kind: string; text: string; links: unknown[] }
  | { type: 'stamped'; room: string; seq: number; stamps: StampKind[] }
  | { type: 'hidden'; room: string; seq: number }
  | { type: 'shown'; room: string; seq: number; line: ServerFrame }
  | { type: 'folded'; room: string; seq: number; note: string }
  | { type: 'done'; key: string }
  | { type: 'pong'; n: number }
  | { type: 'measured'; room?: string; measure: string; kind: string; text: string; until?: string; reason: string; appeal: boolean }
  | ({ type: 'room'; room: string } & Head)
  | { type: 'left'; room: string; why: string }
  | { type: 'bye'; why: string; reconnect_after_ms: number };
export type ClientFrame =
  | { type: 'enter'; room: string; epoch?: string; after?: number; mode?: 'talk' | 'listen' | 'duty'; name?: string }
  | { type: 'say'; room: string; key: string; body?: string; ready?: string; note?: string; no_reply?: boolean; form?: 'topic' }
  | { type: 'unsay'; room: string; seq?: number; key?: string }
  | { type: 'stamp'; room: string; seq: number; stamp: StampKind; on?: boolean }
  | { type: 'lamp'; room: string; on: boolean }
  | { type: 'measure'; room: string; key: string; kind: 'hide' | 'unhide'; target?: number }
  | { type: 'leave'; room: string }
  | { type: 'ping'; n: number };
