// A chat of rooms on socket.io, written as its documentation shows it, to compare with under the same load. It numbers the
// lines, answers the author and tells the room; nothing is stored, judged or encrypted, so it does less than the house.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });
const lastSeq = new Map();

io.on("connection", (socket) => {
  socket.on("enter", ({ room }) => {
    socket.join(room);
    socket.emit("entered", {
      type: "entered", room, epoch: "e_1", you: { id: socket.id, name: "みどり" }, messages: [], last_seq: lastSeq.get(room) ?? 0,
    });
  });
  socket.on("say", ({ room, key, body }) => {
    const seq = (lastSeq.get(room) ?? 0) + 1;
    lastSeq.set(room, seq);
    const at = new Date().toISOString();
    socket.emit("acked", { type: "acked", key, room, seq, at });
    io.to(room).emit("said", { type: "said", room, seq, from: { id: socket.id, name: "みどり" }, body, at });
  });
});

http.listen(0, "127.0.0.1", 4096, () => {
  console.log(`127.0.0.1:${http.address().port}`);
});
