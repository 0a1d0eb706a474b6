package demo

const (
	topic   = "dev.auth-service.user-registered.v1"
	letters = topic + ".dlq"
)

// story is the program's main job, from finding a service to taking a fault
// back. Each chapter relies on what the ones before it did.
func story() []chapter {
	return []chapter{
		whoIsHealthy(),
		aFlakyInstance(),
		eventsThatFail(),
		deadLetters(),
		rules(),
		aFault(),
	}
}

func whoIsHealthy() chapter {
	return chapter{title: "Which instances are healthy, and why is one left out?", steps: []step{
		{
			args:  []string{"discover", "instances", "auth-service"},
			shows: []string{`(?m)^127\.0\.0\.1:\d+ +v1 +passing +prod,auth,flaky`, `v2 +passing +canary`, `1 instance left out`},
		},
		{
			args:  []string{"discover", "explain", "auth-service", "--version", "v1"},
			shows: []string{`OUT +127\.0\.0\.1:\d+ +v1 +critical`, `connection refused`},
		},
	}}
}

func aFlakyInstance() chapter {
	return chapter{title: "Call a method through an instance that fails every other time", steps: []step{
		{
			args:  []string{"rpc", "call", "auth-service", "Login", "--tag", "flaky", "-d", `{"username":"ada","password":"correct horse"}`, "--jq", ".messages[0].expiresAt"},
			shows: []string{`attempt 1 at 127\.0\.0\.1:\d+: UNAVAILABLE`, `attempt 2 at 127\.0\.0\.1:\d+: OK`, `request id: [0-9a-f-]{36}`},
		},
		{
			says:  "A wrong password is the caller's mistake: it is not retried, and the exit code is 64 + UNAUTHENTICATED.",
			args:  []string{"rpc", "call", "auth-service", "Login", "--version", "v2", "-d", `{"username":"ada","password":"guess"}`},
			exit:  64 + 16,
			shows: []string{`UNAUTHENTICATED`},
		},
	}}
}

const registrations = `{"key":"u-1","value":{"meta":{"id":"e-1","type":"user-registered","version":"v1","source":"auth-service","time":"2026-11-23T10:00:00Z","correlation_id":"r-1"},"data":{"user_id":"u-1","email":"ada@example.org"}}}
{"key":"u-2","value":{"meta":{"id":"e-2","type":"user-registered","version":"v1","source":"auth-service","time":"2026-11-23T10:00:01Z","correlation_id":"r-2"},"data":{"user_id":"u-2","email":"eve@example.org"}}}
{"key":"u-3","value":{"meta":{"id":"e-3","type":"user-registered","version":"v1","source":"auth-service","time":"2026-11-23T10:00:02Z","correlation_id":"r-3"},"data":{"user_id":"u-3"}}}
`

func eventsThatFail() chapter {
	return chapter{title: "Produce events: one is refused, the others meet a consumer that fails", steps: []step{
		{
			says:  "user-service consumes these events; in maintenance its handler fails.",
			args:  []string{"rpc", "call", "user-service", "SetMaintenance", "-d", `{"enabled":true}`},
			shows: []string{`"enabled": true`},
		},
		{
			says: "The third event lacks the email that the schema of its topic demands.",
			file: "registered.ndjson", content: registrations,
			args:  []string{"events", "produce", topic, "-f", "registered.ndjson"},
			exit:  1,
			shows: []string{`registered.ndjson:3: rejected`, `missing properties: 'email'`, `ACKED: +2`},
		},
	}}
}

func deadLetters() chapter {
	return chapter{title: "Understand the dead letters and replay them exactly once", steps: []step{
		{
			args:  []string{"events", "dlq", "list"},
			shows: []string{`dev\.auth-service\.user-registered\.v1\.dlq +2 +0`},
			waits: true,
		},
		{
			args:  []string{"events", "dlq", "show", letters},
			shows: []string{`2 +0 +user-registered +.*read-only`},
		},
		{
			says: "The cause is gone, so the letters are curable.",
			args: []string{"rpc", "call", "user-service", "SetMaintenance", "-d", `{"enabled":false}`},
		},
		{
			args:  []string{"events", "dlq", "replay", letters, "--all"},
			shows: []string{`replayed 2 letters`},
		},
		{
			says:  "Again: the ledger knows them.",
			args:  []string{"events", "dlq", "replay", letters, "--all"},
			shows: []string{`replayed 0 letters`, `2 already replayed`},
		},
		{
			says:  "user-service handled two events, each once.",
			args:  []string{"rpc", "call", "user-service", "Stats", "-d", "{}"},
			shows: []string{`"total": "2"`, `"unique": "2"`},
			waits: true,
		},
	}}
}

const badProto = `syntax = "proto3";

package suokelife.shop.v1;

// ShopService sells what the catalogue lists.
service ShopService {
  rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderResponse);
}

// PlaceOrderRequest is what a customer wants.
message PlaceOrderRequest {
  // Which article of the catalogue is wanted.
  string articleId = 1;
  // The password of the customer.
  string password = 2;
}

// PlaceOrderResponse says that the order is taken.
message PlaceOrderResponse {}
`

func rules() chapter {
	return chapter{title: "Hold a topic's name and a proto to the rules", steps: []step{
		{
			args:  []string{"lint", "topics", "prod.AuthService.user-registered"},
			exit:  100,
			shows: []string{`AuthService`, `auth-service`},
		},
		{
			file: "suokelife/shop/v1/shop.proto", content: badProto,
			args:  []string{"lint", "protos", "."},
			exit:  100,
			shows: []string{`COMMENT_RPC`, `FIELD_LOWER_SNAKE_CASE`, `FIELD_SECRET_COMMENT`, `2 errors and 1 warning`},
		},
	}}
}

func aFault() chapter {
	login := []string{"rpc", "call", "auth-service", "Login", "--version", "v2", "--transport", "mesh", "--tries", "1", "-d", `{"username":"ada","password":"correct horse"}`, "--jq", ".status.code"}
	return chapter{title: "Inject a fault that takes itself back", steps: []step{
		{
			says:  "A lease of five seconds; the cluster ends it, whatever becomes of this program.",
			args:  []string{"chaos", "inject", "auth-service", "--abort", "UNAVAILABLE", "--abort-percent", "100", "--ttl", "5s"},
			shows: []string{`\+ VirtualService shop/auth-service-fault-`, `injected auth-service-fault-`, `100\.0%`},
		},
		{
			says: "A call through the mesh feels it.",
			args: login, exit: 64 + 14,
			shows: []string{`fault filter abort`},
		},
		{
			args:  []string{"chaos", "status"},
			shows: []string{`auth-service +abort UNAVAILABLE 100% +active`},
		},
		{
			says:  "The lease ends.",
			args:  []string{"chaos", "status"},
			shows: []string{`no faults`},
			waits: true,
		},
		{
			args:  login,
			shows: []string{`(?m)^OK$`},
			waits: true,
		},
	}}
}
