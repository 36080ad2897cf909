// The wire's types, made from server/src/protocol by server/tests/contract. Do not edit: change the Rust, then
// run ENGAWA_TEST_UPDATE=1 cargo test -p engawa --test contract.

/** How many are about, in words; recomputed at most once a minute. */
export type About = "few" | "some" | "many";

/** A word about waiting. */
export type Admitted = {
  /** The room. */
  room: string,
  /** The words. */
  text: string };

/** Which card. */
export type CardKind = "life" | "hurt_at_home" | "i_may_hurt" | "child" | "care" | "money" | "taken_away" | "sexual";

/** A way to somebody, on a card. */
export type CardLink = {
  /** Whom one gets to. */
  label: string,
  /** `tel:`, `https:`, or a path of this place. */
  href: string,
  /** By which way. */
  mode: WayMode,
  /** The number as people read it. */
  number?: string,
  /** For whom or for what it is, in words. */
  about?: string,
  /** Until when somebody is there, in words. */
  hours?: string,
  /** What it costs, in words. */
  cost?: string };

/** One frame from a client. Unknown fields are ignored; ids are checked by whoever uses them. */
export type ClientFrame = { "type": "enter",
  /** The room. */
  room: string,
  /** The epoch that `after` belongs to. */
  epoch?: string,
  /** The last `seq` seen. */
  after?: number,
  /** How; talk where absent. */
  mode?: EnterMode,
  /** The name worn in this gathering. */
  name?: string }
  | { "type": "say",
  /** The room. */
  room: string,
  /** 1–64 of `A–Z a–z 0–9 _ -`, unique for this handle in this room. */
  key: string,
  /** The words, or … */
  body?: string,
  /** … the id of a ready line. */
  ready?: string,
  /** What it is about, for those who would rather not read it. */
  note?: string,
  /** 返事はいりません. */
  no_reply?: boolean,
  /** `topic` where a topic is offered. */
  form?: Form }
  | { "type": "unsay",
  /** The room. */
  room: string,
  /** The line, or … */
  seq?: number,
  /** … its key (a held line has only that). */
  key?: string }
  | { "type": "stamp",
  /** The room. */
  room: string,
  /** The line. */
  seq: number,
  /** Which. */
  stamp: StampKind,
  /** The state after it; true where absent. */
  on?: boolean }
  | { "type": "lamp",
  /** The room. */
  room: string,
  /** Lit. */
  on: boolean }
  | { "type": "whisper",
  /** The room. */
  room: string,
  /** Its key. */
  key: string,
  /** The words. */
  body: string,
  /** From those on duty: the participant. */
  to?: string }
  | { "type": "call",
  /** Where from. */
  room?: string,
  /** Its key. */
  key: string,
  /** In words. */
  text?: string }
  | { "type": "report",
  /** The room. */
  room: string,
  /** Its key. */
  key: string,
  /** The line. */
  seq: number,
  /** Why. */
  reason: ReportReason,
  /** In words. */
  text?: string }
  | { "type": "measure",
  /** The room. */
  room: string,
  /** Its key. */
  key: string,
  /** What. */
  kind: MeasureKind,
  /** On what. */
  target?: MeasureTarget,
  /** Until when, RFC 3339. */
  until?: string,
  /** Why. */
  reason?: string,
  /** What else it needs. */
  value?: unknown }
  | { "type": "leave",
  /** The room. */
  room: string }
  | { "type": "ping",
  /** Given back. */
  n: number };

/** Whether a device is one person's alone. */
export type Device = "mine" | "shared";

/** What somebody on duty is there as. */
export type Duty = "host" | "supporter" | "staff";

/** How somebody comes into a room. */
export type EnterMode = "talk" | "listen" | "duty";

/** The answer to `enter`. */
export type Entered = {
  /** The room. */
  room: string,
  /** The epoch that its numbers belong to. */
  epoch: string,
  /** Who one is here. */
  you: YouInRoom,
  /** Who can read here. */
  readers: Array<Reader>,
  /** When its text ends. */
  forgets_at: Time,
  /** Its title. */
  title: string,
  /** What sort of gathering. */
  kind: GatheringKind,
  /** Whose. */
  audience: Standing,
  /** `said` and `hidden` frames, contiguous. */
  messages: Array<ServerFrame>,
  /** The newest number. */
  last_seq: number,
  /** What is gone of what was asked for. */
  gap?: Gap,
  /** One's own open holds. */
  waiting_lines: Array<WaitingLine>,
  /** Where it stands. */
  state: RoomState,
  /** 部屋の進め方, 0–4. */
  guard: number,
  /** お題. */
  topic?: string,
  /** Milliseconds between two lines of one person; 0 where there is no slow pace. */
  slow_ms: number,
  /** How many are about, in words. */
  about: About,
  /** Who keeps the room. */
  on_duty: Array<OnDuty>,
  /** Ready lines. */
  ready: Array<ReadyOut>,
  /** Whether any lamp is lit. */
  lamp: boolean };

/** How one gets into a gathering. */
export type EntryKind = "open" | "introduced";

/** What sort of line it is, where it is not plain talk. */
export type Form = "topic" | "time" | "word" | "ready";

/** Lines that are gone, both ends included. */
export type Gap = {
  /** The first. */
  from: number,
  /** The last. */
  to: number };

/** What sort of meeting a gathering is. */
export type GatheringKind = "ibasho" | "tojisha_kai" | "kazoku_kai";

/** One of `GET /api/v1/gatherings`. */
export type GatheringOut = {
  /** Its id, also the room's. */
  id: string,
  /** What sort. */
  kind: GatheringKind,
  /** Whose. */
  audience: Standing,
  /** Its title. */
  title: string,
  /** When it begins. */
  starts_at: Time,
  /** When it ends. */
  ends_at: Time,
  /** Where it stands. */
  state: RoomState,
  /** How one gets in. */
  entry: EntryKind,
  /** How many are about, while it is open. */
  about?: About };

/** A handle, as its person sees it. */
export type HandleOut = {
  /** Its id. */
  id: string,
  /** 呼び名. */
  name: string,
  /** The side. */
  standing: Standing,
  /** Whether a slip brought it. */
  by_slip: boolean };

/** How a hold ended. */
export type HoldEnd = "approved" | "rejected" | "passed" | "withdrawn" | "closed";

/** Why a line waits for a human, or was asked back. */
export type HoldReason = "newcomer" | "guard" | "contact" | "risk" | "threat" | "abuse" | "sexual" | "solicitation";

/** What a client has to keep to. */
export type Limits = {
  /** Unicode scalar values of a body. */
  body_chars_max: number,
  /** Bytes of a frame. */
  frame_bytes_max: number,
  /** Lines that may come at once. */
  say_burst: number,
  /** Milliseconds until one more may come. */
  say_interval_ms: number,
  /** Frames in ten seconds on one socket. */
  frames_per_10s: number,
  /** Sockets of one handle. */
  sockets_max: number };

/** A line that passed. */
export type LineOut = {
  /** The room. */
  room: string,
  /** Its number, from 1. */
  seq: number,
  /** Who; absent when the room itself speaks. */
  from?: Speaker,
  /** The words. */
  body: string,
  /** When it was kept. */
  at: Time,
  /** What it is about. */
  note?: string,
  /** 返事はいりません. */
  no_reply?: boolean,
  /** What sort of line. */
  form?: Form,
  /** Which stamps are present. */
  stamps?: Array<StampKind> };

/** `POST /api/v1/handles`. */
export type MakeHandle = {
  /** 呼び名; null or absent gets a suggested one. */
  name: string | null,
  /** The side. */
  standing: Standing,
  /** 案内番号. */
  slip?: string,
  /** Whether the device is only theirs; shared where absent. */
  device?: Device };

/** `GET /api/v1/me`: as making a handle or staff login answered. */
export type MeOut = HandleOut | StaffOut;

/** What a human does in a room. */
export type MeasureKind = "word" | "fold" | "hide" | "unhide" | "rest" | "unrest" | "not_today" | "move_side" | "look" | "approve" | "reject" | "slow" | "guard" | "lock" | "unlock" | "admit" | "pause" | "resume" | "topic" | "notice" | "close";

/** What a measure aims at: a line by its number, or a participant or a hold by its id. */
export type MeasureTarget = number | string;

/** Somebody on duty. */
export type OnDuty = {
  /** The name shown. */
  name: string,
  /** What they are there as. */
  duty: Duty };

/** Somebody who can read here, by role. */
export type Reader = {
  /** The role. */
  role: ReaderRole };

/** Who can read a room, by role. */
export type ReaderRole = "participant" | "peer_supporter" | "moderator" | "coordinator" | "manager" | "on_call" | "public";

/** A ready line. */
export type ReadyOut = {
  /** Its id. */
  id: string,
  /** Its words. */
  text: string };

/** `POST /api/v1/handles/recover`. */
export type Recover = {
  /** もどるための言葉, forgiving of katakana, width, spaces and decomposed kana. */
  recovery_code: string,
  /** Whether the device is only theirs; shared where absent. */
  device?: Device };

/** `POST /api/v1/me/recovery` answers. */
export type RecoveryOut = {
  /** もどるための言葉: eight words with spaces between. */
  recovery_code: string };

/** Why nothing was done; the text beside it is for people. */
export type RefusalCode = "bad_frame" | "too_long" | "too_fast" | "not_entered" | "not_allowed" | "room_closed" | "room_paused" | "room_full" | "resting" | "removed" | "rejected" | "listening" | "spam" | "busy" | "not_yet";

/** Why somebody tells those on duty of a line. */
export type ReportReason = "contact" | "hurt" | "worry" | "trade" | "other";

/** What a person with powers may ever do. */
export type RoleKind = "peer_supporter" | "moderator" | "coordinator" | "manager";

/** What changed in a room. */
export type RoomOut = {
  /** The room. */
  room: string,
  /** Where it stands. */
  state: RoomState,
  /** 部屋の進め方, 0–4. */
  guard: number,
  /** お題. */
  topic?: string,
  /** Milliseconds between two lines of one person; 0 where there is no slow pace. */
  slow_ms: number,
  /** How many are about, in words. */
  about: About,
  /** Who keeps the room. */
  on_duty: Array<OnDuty>,
  /** Ready lines. */
  ready: Array<ReadyOut>,
  /** Whether any lamp is lit. */
  lamp: boolean };

/** Where a gathering stands in its life. */
export type RoomState = "planned" | "doors_open" | "open" | "paused" | "last_call" | "afterglow" | "closed" | "cancelled";

/** One frame to a client. */
export type ServerFrame = { "type": "welcome",
  /** Who one is. */
  you: YouOut,
  /** The server's time. */
  now: Time,
  /** What to keep to. */
  limits: Limits }
  | { "type": "entered" } & Entered
  | { "type": "waiting" } & Admitted
  | { "type": "admitted" } & Admitted
  | { "type": "said" } & LineOut
  | { "type": "acked",
  /** Its key. */
  key: string,
  /** The room. */
  room: string,
  /** Its number. */
  seq: number,
  /** When. */
  at: Time }
  | { "type": "held",
  /** Its key. */
  key: string,
  /** The room. */
  room: string,
  /** Why. */
  reason: HoldReason,
  /** In words. */
  text: string }
  | { "type": "ask",
  /** Its key. */
  key: string,
  /** The room. */
  room: string,
  /** Why. */
  reason: HoldReason,
  /** In words. */
  text: string,
  /** Where. */
  spans: Array<SpanOut>,
  /** The body with the spans replaced. */
  masked?: string }
  | { "type": "refused",
  /** Of which frame. */
  key?: string,
  /** In which room. */
  room?: string,
  /** For programs. */
  code: RefusalCode,
  /** For people. */
  text: string,
  /** When to try again. */
  retry_after_ms?: number }
  | { "type": "card",
  /** Which. */
  kind: CardKind,
  /** In words: paragraphs, a line break between them. The last says when to call 119 or 110. */
  text: string,
  /** Where to turn now: `here`, then text, then telephone, `emergency` last. What is closed is absent. */
  links: Array<CardLink> }
  | { "type": "stamped",
  /** The room. */
  room: string,
  /** The line. */
  seq: number,
  /** Which are present. */
  stamps: Array<StampKind> }
  | { "type": "hidden",
  /** The room. */
  room: string,
  /** The line. */
  seq: number }
  | { "type": "shown",
  /** The room. */
  room: string,
  /** The line's number. */
  seq: number,
  /** The whole line. */
  line: ServerFrame }
  | { "type": "folded",
  /** The room. */
  room: string,
  /** The line. */
  seq: number,
  /** What it is about. */
  note: string }
  | { "type": "done",
  /** Its key. */
  key: string }
  | { "type": "pong",
  /** Given back. */
  n: number }
  | { "type": "whispered",
  /** The room. */
  room: string,
  /** From whom. */
  from: string,
  /** To whom. */
  to: string,
  /** The words. */
  body: string,
  /** When. */
  at: Time }
  | { "type": "measured",
  /** Where. */
  room?: string,
  /** Its id. */
  measure: string,
  /** What. */
  kind: MeasureKind,
  /** In words. */
  text: string,
  /** Until when. */
  until?: Time,
  /** Why. */
  reason: string,
  /** Whether it can be appealed to somebody else. */
  appeal: boolean }
  | { "type": "room" } & RoomOut
  | { "type": "left",
  /** The room. */
  room: string,
  /** Why. */
  why: Why }
  | { "type": "bye",
  /** Why. */
  why: Why,
  /** When to come again. */
  reconnect_after_ms: number }
  | { "type": "hold",
  /** The room. */
  room: string,
  /** Its id. */
  hold: string,
  /** Whose. */
  from: Speaker,
  /** The words. */
  body: string,
  /** Where. */
  spans: Array<SpanOut>,
  /** Why. */
  reason: HoldReason,
  /** Since when. */
  at: Time,
  /** When it passes by itself. */
  passes_at?: Time }
  | { "type": "hold_done",
  /** The room. */
  room: string,
  /** Its id. */
  hold: string,
  /** How. */
  how: HoldEnd }
  | { "type": "reported",
  /** The room. */
  room: string,
  /** Its id. */
  report: string,
  /** The line. */
  seq: number,
  /** Why. */
  reason: ReportReason }
  | { "type": "called",
  /** The room. */
  room: string,
  /** Who. */
  from: string,
  /** How soon. */
  urgency: Urgency }
  | { "type": "marked",
  /** The room. */
  room: string,
  /** The line. */
  seq: number,
  /** As what. */
  category: string };

/** A place in a body, in Unicode scalar values; `to` is past the end. */
export type SpanOut = {
  /** The first. */
  from: number,
  /** One past the last. */
  to: number };

/** Who said it; the id is of this room alone. */
export type Speaker = {
  /** The participant id. */
  id: string,
  /** The name worn. */
  name: string,
  /** What they were there as, if on duty. */
  duty?: Duty };

/** `POST /api/v1/staff/login`. */
export type StaffLogin = {
  /** The account's id. */
  id: string,
  /** The password. */
  password: string,
  /** The six digits (RFC 6238, SHA-1, 30 s); each is good once. */
  totp: string };

/** An account with powers, as its person sees it. */
export type StaffOut = {
  /** Its id. */
  id: string,
  /** The name. */
  name: string,
  /** Roles, each once. */
  roles: Array<RoleKind> };

/** What can be put under a line; shown as present, never counted. */
export type StampKind = "nod" | "listening" | "thanks" | "warm" | "same";

/** Which rooms a handle may enter: 自分のことで / 家族のことで. */
export type Standing = "tojisha" | "family";

/** An instant on the wire: RFC 3339 in UTC with milliseconds and `Z`. */
export type Time = string;

/** How soon somebody of the staff is needed. */
export type Urgency = "now" | "crisis" | "soon" | "routine";

/** One's own line that waits for a human. */
export type WaitingLine = {
  /** Its key. */
  key: string,
  /** Its words. */
  body: string,
  /** Why it waits. */
  reason: HoldReason };

/** By which way one gets to somebody from a card. */
export type WayMode = "here" | "chat" | "mail" | "phone" | "emergency";

/** Why somebody is no longer in a room, or the socket goes. */
export type Why = "you" | "removed" | "session" | "closed" | "drain" | "slow";

/** Who one is in a room; the id is of this room alone. */
export type YouInRoom = {
  /** The participant id. */
  id: string,
  /** The name worn here. */
  name: string };

/** Who one is, on a socket. */
export type YouOut = {
  /** The handle's or the account's id. */
  id: string,
  /** The name. */
  name: string,
  /** The side; absent for accounts with powers. */
  standing?: Standing,
  /** Roles; empty for a handle. */
  roles: Array<RoleKind> };
