package registry

import (
	"net/http"
	"slices"
	"strings"
)

// The Avro schemas of the table: a record, then the ways in which it changes.
var (
	user          = avro(record())
	userOptional  = avro(record(`{"name":"phone","type":["null","string"],"default":null}`)) // both ways
	userTwice     = avro(record(`{"name":"phone","type":["null","string"],"default":null}`, `{"name":"city","type":"string","default":""}`))
	userCall      = avro(`{"type":"record","name":"User","fields":[{"name":"id","type":"string"},{"name":"phone","type":"string"}]}`)
	userMandatory = avro(record(`{"name":"phone","type":"string"}`)) // old readers only
	userLess      = avro(`{"type":"record","name":"User","fields":[{"name":"id","type":"string"}]}`)
	userRetyped   = avro(`{"type":"record","name":"User","fields":[{"name":"id","type":"int"},{"name":"email","type":"string"}]}`)
)

func record(more ...string) string {
	fields := append([]string{`{"name":"id","type":"string"}`, `{"name":"email","type":"string"}`}, more...)
	return `{"type":"record","name":"User","fields":[` + strings.Join(fields, ",") + `]}`
}

// The JSON Schemas: closed objects, whose verdicts need no judgement.
var (
	account         = js(closed(`"id"`, `"id":{"type":"string"},"plan":{"type":"string","enum":["free","paid"]}`))
	accountOptional = js(closed(`"id"`, `"id":{"type":"string"},"plan":{"type":"string","enum":["free","paid"]},"note":{"type":"string"}`))
	accountRequired = js(closed(`"id","plan"`, `"id":{"type":"string"},"plan":{"type":"string","enum":["free","paid"]}`))
	accountRemoved  = js(closed(`"id"`, `"id":{"type":"string"}`))
	accountRetyped  = js(closed(`"id"`, `"id":{"type":"integer"},"plan":{"type":"string","enum":["free","paid"]}`))
	accountNarrowed = js(closed(`"id"`, `"id":{"type":"string"},"plan":{"type":"string","enum":["free"]}`))
)

func closed(required, properties string) string {
	return `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"required":[` +
		required + `],"properties":{` + properties + `}}`
}

func cases() []testCase {
	return slices.Concat(registering(), finding(), referring(), verdicts(), published(), configuring(), deleting())
}

func registering() []testCase {
	return []testCase{
		{name: "register gives an id", check: func(r *registry) {
			if id := r.register(user); id < 1 {
				r.t.Fatalf("id is %v", id)
			}
		}},
		{name: "same schema same id and version", check: func(r *registry) {
			r.equal("second id", r.register(user), r.register(user))
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{1})
		}},
		{name: "same schema in another subject same id", check: func(r *registry) {
			first := r.register(user)
			r.subject += "-2"
			r.equal("id", r.register(user), first)
		}},
		{name: "another schema another id", check: func(r *registry) {
			if r.register(user) == r.register(userOptional) {
				r.t.Fatal("two schemas have one id")
			}
		}},
		testCase{name: "white space is not another schema", check: func(r *registry) {
			spaced := avro(strings.ReplaceAll(user.text(), ":", " : "))
			r.equal("id", r.register(spaced), r.register(user))
		}}.but("a schema is its text: with other white space it gets another id", func(r *registry) {
			spaced := avro(strings.ReplaceAll(user.text(), ":", " : "))
			if r.register(spaced) == r.register(user) {
				r.t.Fatal("one id: the difference is gone")
			}
		}),
		{name: "json schema", check: func(r *registry) {
			r.register(account)
			r.equal("type", r.ok(r.do("GET", "/subjects/SUBJECT/versions/1", nil)).field("schemaType"), "JSON")
		}},
		{name: "avro that is not json", check: func(r *registry) {
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", avro(`{"type":`)), http.StatusUnprocessableEntity, 42201)
		}},
		{name: "avro of an unknown type", check: func(r *registry) {
			bad := avro(`{"type":"record","name":"U","fields":[{"name":"a","type":"strnig"}]}`)
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", bad), http.StatusUnprocessableEntity, 42201)
		}},
		{name: "json schema that is not json", check: func(r *registry) {
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", js(`{"type":`)), http.StatusUnprocessableEntity, 42201)
		}},
		{name: "incompatible is refused", check: func(r *registry) {
			r.register(user)
			r.level("BACKWARD")
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", userMandatory), http.StatusConflict, 409)
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{1})
		}},
		{name: "incompatible json schema is refused", check: func(r *registry) {
			r.register(account)
			r.level("BACKWARD")
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", accountRequired), http.StatusConflict, 409)
		}},
	}
}

func finding() []testCase {
	return []testCase{
		{name: "versions ascend", check: func(r *registry) {
			r.register(user)
			r.register(userOptional)
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{1, 2})
		}},
		{name: "latest", check: func(r *registry) {
			r.register(user)
			id := r.register(userOptional)
			got := r.ok(r.do("GET", "/subjects/SUBJECT/versions/latest", nil))
			r.equal("version", got.field("version"), 2)
			r.equal("id", got.field("id"), id)
			r.equal("subject", got.field("subject"), r.subject)
		}},
		{name: "one version", check: func(r *registry) {
			id := r.register(user)
			r.register(userOptional)
			got := r.ok(r.do("GET", "/subjects/SUBJECT/versions/1", nil))
			r.equal("id", got.field("id"), id)
			r.equal("schema", got.field("schema"), user.text())
		}},
		{name: "by id", check: func(r *registry) {
			id := r.register(user)
			got := r.ok(r.do("GET", sprintf("/schemas/ids/%.0f", id), nil))
			r.equal("schema", got.field("schema"), user.text())
		}},
		{name: "versions of an id", check: func(r *registry) {
			id := r.register(avro(`{"type":"record","name":"Lonely","fields":[]}`))
			got := r.ok(r.do("GET", sprintf("/schemas/ids/%.0f/versions", id), nil))
			r.equal("uses", got.body, []any{map[string]any{"subject": r.subject, "version": 1}})
		}},
		{name: "look up", check: func(r *registry) {
			r.register(user)
			id := r.register(userOptional)
			got := r.ok(r.do("POST", "/subjects/SUBJECT", userOptional))
			r.equal("version", got.field("version"), 2)
			r.equal("id", got.field("id"), id)
		}},
		testCase{name: "look up tells the type", check: func(r *registry) {
			r.register(account)
			r.equal("type", r.ok(r.do("POST", "/subjects/SUBJECT", account)).field("schemaType"), "JSON")
		}}.but("the answer has no schemaType", func(r *registry) {
			r.register(account)
			r.equal("type", r.ok(r.do("POST", "/subjects/SUBJECT", account)).field("schemaType"), nil)
		}),
		{name: "look up of what is not there", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("POST", "/subjects/SUBJECT", userOptional), http.StatusNotFound, 40403)
		}},
		{name: "subjects", check: func(r *registry) {
			r.register(user)
			if all, _ := r.ok(r.do("GET", "/subjects", nil)).body.([]any); !slices.Contains(all, any(r.subject)) {
				r.t.Fatalf("%s is not among %v", r.subject, all)
			}
		}},
		{name: "unknown subject", check: func(r *registry) {
			r.fails(r.do("GET", "/subjects/SUBJECT/versions", nil), http.StatusNotFound, 40401)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/1", nil), http.StatusNotFound, 40401)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/latest", nil), http.StatusNotFound, 40401)
			r.fails(r.do("POST", "/subjects/SUBJECT", user), http.StatusNotFound, 40401)
		}},
		{name: "unknown version", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/99", nil), http.StatusNotFound, 40402)
		}},
		testCase{name: "invalid version", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/0", nil), http.StatusUnprocessableEntity, 42202)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/first", nil), http.StatusUnprocessableEntity, 42202)
		}}.but("versions are not checked before they are looked for: 40402 for 42202", func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/0", nil), http.StatusNotFound, 40402)
		}),
		{name: "unknown id", check: func(r *registry) {
			r.fails(r.do("GET", "/schemas/ids/99999999", nil), http.StatusNotFound, 40403)
		}},
	}
}

func configuring() []testCase {
	return []testCase{
		testCase{name: "subject without a level of its own", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/config/SUBJECT", nil), http.StatusNotFound, 40408)
			got := r.ok(r.do("GET", "/config/SUBJECT?defaultToGlobal=true", nil))
			r.equal("level", got.field("compatibilityLevel"), r.ok(r.do("GET", "/config", nil)).field("compatibilityLevel"))
		}}.but("the global level is given where 40408 is due", func(r *registry) {
			r.register(user)
			r.equal("level", r.ok(r.do("GET", "/config/SUBJECT", nil)).field("compatibilityLevel"), "NONE")
		}),
		{name: "level of a subject", check: func(r *registry) {
			r.register(user)
			r.level("FULL")
			r.equal("level", r.ok(r.do("GET", "/config/SUBJECT", nil)).field("compatibilityLevel"), "FULL")
		}},
		testCase{name: "level of a subject dropped", check: func(r *registry) {
			r.register(user)
			r.level("NONE")
			r.ok(r.do("DELETE", "/config/SUBJECT", nil))
			r.fails(r.do("GET", "/config/SUBJECT", nil), http.StatusNotFound, 40408)
		}}.but("the global level is given where 40408 is due", func(r *registry) {
			r.register(user)
			r.level("FULL")
			r.ok(r.do("DELETE", "/config/SUBJECT", nil))
			r.equal("level", r.ok(r.do("GET", "/config/SUBJECT", nil)).field("compatibilityLevel"), "NONE")
		}),
		{name: "global level", check: func(r *registry) {
			before := r.ok(r.do("GET", "/config", nil)).field("compatibilityLevel")
			r.ok(r.do("PUT", "/config", map[string]any{"compatibility": "FORWARD"}))
			r.equal("level", r.ok(r.do("GET", "/config", nil)).field("compatibilityLevel"), "FORWARD")
			r.ok(r.do("PUT", "/config", map[string]any{"compatibility": before}))
		}},
		testCase{name: "invalid level", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("PUT", "/config/SUBJECT", map[string]any{"compatibility": "SOMETIMES"}), http.StatusUnprocessableEntity, 42203)
		}}.but("400 with a text that is not JSON for 42203", func(r *registry) {
			r.register(user)
			r.equal("status", r.do("PUT", "/config/SUBJECT", map[string]any{"compatibility": "SOMETIMES"}).status, http.StatusBadRequest)
		}),
		{name: "the level decides", check: func(r *registry) {
			r.register(user)
			r.level("FORWARD")
			r.register(userMandatory)
		}},
	}
}

func deleting() []testCase {
	return []testCase{
		{name: "delete a subject softly", check: func(r *registry) {
			r.register(user)
			r.register(userOptional)
			r.equal("deleted", r.ok(r.do("DELETE", "/subjects/SUBJECT", nil)).body, []any{1, 2})
			r.fails(r.do("GET", "/subjects/SUBJECT/versions", nil), http.StatusNotFound, 40401)
		}},
		{name: "delete a subject for good", check: func(r *registry) {
			r.register(user)
			r.ok(r.do("DELETE", "/subjects/SUBJECT", nil))
			r.ok(r.do("DELETE", "/subjects/SUBJECT?permanent=true", nil))
			r.fails(r.do("DELETE", "/subjects/SUBJECT", nil), http.StatusNotFound, 40401)
		}},
		{name: "a softly deleted subject can be registered again", check: func(r *registry) {
			id := r.register(user)
			r.ok(r.do("DELETE", "/subjects/SUBJECT", nil))
			r.equal("id", r.register(user), id)
			r.ok(r.do("GET", "/subjects/SUBJECT/versions/latest", nil))
		}},
		{name: "delete a version", check: func(r *registry) {
			r.register(user)
			r.register(userOptional)
			r.equal("deleted", r.ok(r.do("DELETE", "/subjects/SUBJECT/versions/1", nil)).body, 1)
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{2})
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/1", nil), http.StatusNotFound, 40402)
		}},
		{name: "delete an unknown version", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("DELETE", "/subjects/SUBJECT/versions/7", nil), http.StatusNotFound, 40402)
		}},
		{name: "delete an unknown subject", check: func(r *registry) {
			r.fails(r.do("DELETE", "/subjects/SUBJECT", nil), http.StatusNotFound, 40401)
		}},
	}
}
