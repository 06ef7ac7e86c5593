// Uses the types made of the OpenAPI document; prints what it read as JSON.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { argv: string[] };
const [, , baseUrl, token] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const started = await client.POST("/api/gmail/sync/smart");
const page = await client.GET("/api/gmail/messages", { params: { query: { limit: 1 } } });
const message = await client.GET("/api/gmail/messages/{message_id}", {
  params: { path: { message_id: page.data!.messages[0].message_id } },
});
const changes = await client.GET("/api/gmail/changes", { params: { query: { wait: 1 } } });
const missing = await client.GET("/api/gmail/threads/{thread_id}", {
  params: { path: { thread_id: "nowhere" } },
});

console.log(
  JSON.stringify({
    task_id: started.data!.task_id,
    subject: message.data!.subject,
    changed: changes.data!.changes.map((change) => change.message_id),
    code: missing.error!.code,
  }),
);
