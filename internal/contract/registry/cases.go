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
	return slices.Concat(registering(), finding(), verdicts(), configuring(), deleting())
}

func registering() []testCase {
	return []testCase{
		{"register gives an id", func(r *registry) {
			if id := r.register(user); id < 1 {
				r.t.Fatalf("id is %v", id)
			}
		}},
		{"same schema same id and version", func(r *registry) {
			r.equal("second id", r.register(user), r.register(user))
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{1})
		}},
		{"same schema in another subject same id", func(r *registry) {
			first := r.register(user)
			r.subject += "-2"
			r.equal("id", r.register(user), first)
		}},
		{"another schema another id", func(r *registry) {
			if r.register(user) == r.register(userOptional) {
				r.t.Fatal("two schemas have one id")
			}
		}},
		{"white space is not another schema", func(r *registry) {
			spaced := avro(strings.ReplaceAll(user["schema"], ":", " : "))
			r.equal("id", r.register(spaced), r.register(user))
		}},
		{"json schema", func(r *registry) {
			r.register(account)
			r.equal("type", r.ok(r.do("GET", "/subjects/SUBJECT/versions/1", nil)).field("schemaType"), "JSON")
		}},
		{"avro that is not json", func(r *registry) {
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", avro(`{"type":`)), http.StatusUnprocessableEntity, 42201)
		}},
		{"avro of an unknown type", func(r *registry) {
			bad := avro(`{"type":"record","name":"U","fields":[{"name":"a","type":"strnig"}]}`)
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", bad), http.StatusUnprocessableEntity, 42201)
		}},
		{"json schema that is not json", func(r *registry) {
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", js(`{"type":`)), http.StatusUnprocessableEntity, 42201)
		}},
		{"incompatible is refused", func(r *registry) {
			r.register(user)
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", userMandatory), http.StatusConflict, 409)
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{1})
		}},
		{"incompatible json schema is refused", func(r *registry) {
			r.register(account)
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", accountRequired), http.StatusConflict, 409)
		}},
	}
}

func finding() []testCase {
	return []testCase{
		{"versions ascend", func(r *registry) {
			r.register(user)
			r.register(userOptional)
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{1, 2})
		}},
		{"latest", func(r *registry) {
			r.register(user)
			id := r.register(userOptional)
			got := r.ok(r.do("GET", "/subjects/SUBJECT/versions/latest", nil))
			r.equal("version", got.field("version"), 2)
			r.equal("id", got.field("id"), id)
			r.equal("subject", got.field("subject"), r.subject)
		}},
		{"one version", func(r *registry) {
			id := r.register(user)
			r.register(userOptional)
			got := r.ok(r.do("GET", "/subjects/SUBJECT/versions/1", nil))
			r.equal("id", got.field("id"), id)
			r.equal("schema", got.field("schema"), user["schema"])
		}},
		{"by id", func(r *registry) {
			id := r.register(user)
			got := r.ok(r.do("GET", sprintf("/schemas/ids/%.0f", id), nil))
			r.equal("schema", got.field("schema"), user["schema"])
		}},
		{"versions of an id", func(r *registry) {
			id := r.register(avro(`{"type":"record","name":"Lonely","fields":[]}`))
			got := r.ok(r.do("GET", sprintf("/schemas/ids/%.0f/versions", id), nil))
			r.equal("uses", got.body, []any{map[string]any{"subject": r.subject, "version": 1}})
		}},
		{"look up", func(r *registry) {
			r.register(user)
			id := r.register(userOptional)
			got := r.ok(r.do("POST", "/subjects/SUBJECT", userOptional))
			r.equal("version", got.field("version"), 2)
			r.equal("id", got.field("id"), id)
		}},
		{"look up of what is not there", func(r *registry) {
			r.register(user)
			r.fails(r.do("POST", "/subjects/SUBJECT", userOptional), http.StatusNotFound, 40403)
		}},
		{"subjects", func(r *registry) {
			r.register(user)
			if all, _ := r.ok(r.do("GET", "/subjects", nil)).body.([]any); !slices.Contains(all, any(r.subject)) {
				r.t.Fatalf("%s is not among %v", r.subject, all)
			}
		}},
		{"unknown subject", func(r *registry) {
			r.fails(r.do("GET", "/subjects/SUBJECT/versions", nil), http.StatusNotFound, 40401)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/1", nil), http.StatusNotFound, 40401)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/latest", nil), http.StatusNotFound, 40401)
			r.fails(r.do("POST", "/subjects/SUBJECT", user), http.StatusNotFound, 40401)
		}},
		{"unknown version", func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/99", nil), http.StatusNotFound, 40402)
		}},
		{"invalid version", func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/0", nil), http.StatusUnprocessableEntity, 42202)
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/first", nil), http.StatusUnprocessableEntity, 42202)
		}},
		{"unknown id", func(r *registry) {
			r.fails(r.do("GET", "/schemas/ids/99999999", nil), http.StatusNotFound, 40403)
		}},
	}
}

func configuring() []testCase {
	return []testCase{
		{"subject without a level of its own", func(r *registry) {
			r.register(user)
			r.fails(r.do("GET", "/config/SUBJECT", nil), http.StatusNotFound, 40408)
			got := r.ok(r.do("GET", "/config/SUBJECT?defaultToGlobal=true", nil))
			r.equal("level", got.field("compatibilityLevel"), r.ok(r.do("GET", "/config", nil)).field("compatibilityLevel"))
		}},
		{"level of a subject", func(r *registry) {
			r.register(user)
			r.level("FULL")
			r.equal("level", r.ok(r.do("GET", "/config/SUBJECT", nil)).field("compatibilityLevel"), "FULL")
		}},
		{"level of a subject dropped", func(r *registry) {
			r.register(user)
			r.level("NONE")
			r.ok(r.do("DELETE", "/config/SUBJECT", nil))
			r.fails(r.do("GET", "/config/SUBJECT", nil), http.StatusNotFound, 40408)
		}},
		{"global level", func(r *registry) {
			before := r.ok(r.do("GET", "/config", nil)).field("compatibilityLevel")
			r.ok(r.do("PUT", "/config", map[string]any{"compatibility": "FORWARD"}))
			r.equal("level", r.ok(r.do("GET", "/config", nil)).field("compatibilityLevel"), "FORWARD")
			r.ok(r.do("PUT", "/config", map[string]any{"compatibility": before}))
		}},
		{"invalid level", func(r *registry) {
			r.register(user)
			r.fails(r.do("PUT", "/config/SUBJECT", map[string]any{"compatibility": "SOMETIMES"}), http.StatusUnprocessableEntity, 42203)
		}},
		{"the level decides", func(r *registry) {
			r.register(user)
			r.level("FORWARD")
			r.register(userMandatory)
		}},
	}
}

func deleting() []testCase {
	return []testCase{
		{"delete a subject softly", func(r *registry) {
			r.register(user)
			r.register(userOptional)
			r.equal("deleted", r.ok(r.do("DELETE", "/subjects/SUBJECT", nil)).body, []any{1, 2})
			r.fails(r.do("GET", "/subjects/SUBJECT/versions", nil), http.StatusNotFound, 40401)
		}},
		{"delete a subject for good", func(r *registry) {
			r.register(user)
			r.ok(r.do("DELETE", "/subjects/SUBJECT", nil))
			r.ok(r.do("DELETE", "/subjects/SUBJECT?permanent=true", nil))
			r.fails(r.do("DELETE", "/subjects/SUBJECT", nil), http.StatusNotFound, 40401)
		}},
		{"a softly deleted subject can be registered again", func(r *registry) {
			id := r.register(user)
			r.ok(r.do("DELETE", "/subjects/SUBJECT", nil))
			r.equal("id", r.register(user), id)
			r.ok(r.do("GET", "/subjects/SUBJECT/versions/latest", nil))
		}},
		{"delete a version", func(r *registry) {
			r.register(user)
			r.register(userOptional)
			r.equal("deleted", r.ok(r.do("DELETE", "/subjects/SUBJECT/versions/1", nil)).body, 1)
			r.equal("versions", r.ok(r.do("GET", "/subjects/SUBJECT/versions", nil)).body, []any{2})
			r.fails(r.do("GET", "/subjects/SUBJECT/versions/1", nil), http.StatusNotFound, 40402)
		}},
		{"delete an unknown version", func(r *registry) {
			r.register(user)
			r.fails(r.do("DELETE", "/subjects/SUBJECT/versions/7", nil), http.StatusNotFound, 40402)
		}},
		{"delete an unknown subject", func(r *registry) {
			r.fails(r.do("DELETE", "/subjects/SUBJECT", nil), http.StatusNotFound, 40401)
		}},
	}
}
