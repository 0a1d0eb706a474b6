package registry

import (
	"fmt"
	"strings"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// verdict is one row: with these versions registered and this level, may the candidate follow?
type verdict struct {
	name      string
	level     string
	earlier   []schema
	candidate schema
	want      bool
}

// verdicts has a yes and a no for each of the seven levels, for Avro, and the changes of JSON Schema that matter most.
func verdicts() []testCase {
	rows := []verdict{
		{"none takes anything", "NONE", []schema{user}, userRetyped, true},
		{"backward takes an optional field", "BACKWARD", []schema{user}, userOptional, true},
		{"backward takes less fields", "BACKWARD", []schema{user}, userLess, true},
		{"backward refuses a mandatory field", "BACKWARD", []schema{user}, userMandatory, false},
		{"backward refuses another type", "BACKWARD", []schema{user}, userRetyped, false},
		{"backward looks at the last only", "BACKWARD", []schema{userLess, user}, userOptional, true},
		{"backward transitive looks at all", "BACKWARD_TRANSITIVE", []schema{userLess, user}, userOptional, false},
		{"backward transitive takes what all can give", "BACKWARD_TRANSITIVE", []schema{user, userOptional}, userLess, true},
		{"forward takes a mandatory field", "FORWARD", []schema{user}, userMandatory, true},
		{"forward refuses less fields", "FORWARD", []schema{user}, userLess, false},
		{"forward looks at the last only", "FORWARD", []schema{user, userLess}, userCall, true},
		{"forward transitive looks at all", "FORWARD_TRANSITIVE", []schema{user, userLess}, userCall, false},
		{"forward transitive takes a mandatory field", "FORWARD_TRANSITIVE", []schema{userLess, user}, userMandatory, true},
		{"full takes an optional field", "FULL", []schema{user}, userOptional, true},
		{"full refuses a mandatory field", "FULL", []schema{user}, userMandatory, false},
		{"full refuses less fields", "FULL", []schema{user}, userLess, false},
		{"full looks at the last only", "FULL", []schema{userRetyped, user}, userOptional, true},
		{"full transitive looks at all", "FULL_TRANSITIVE", []schema{userRetyped, user}, userOptional, false},
		{"full transitive takes an optional field", "FULL_TRANSITIVE", []schema{user, userOptional}, userTwice, true},

		{"json takes an optional property", "BACKWARD", []schema{account}, accountOptional, true},
		{"json refuses a required property", "BACKWARD", []schema{account}, accountRequired, false},
		{"json refuses a removed property of a closed object", "BACKWARD", []schema{account}, accountRemoved, false},
		{"json refuses another type", "BACKWARD", []schema{account}, accountRetyped, false},
		{"json refuses a narrowed enum", "BACKWARD", []schema{account}, accountNarrowed, false},
		{"json forward takes a required property", "FORWARD", []schema{account}, accountRequired, true},
		{"json forward refuses an optional property", "FORWARD", []schema{account}, accountOptional, false},
		{"json full refuses a narrowed enum", "FULL", []schema{account}, accountNarrowed, false},
	}
	out := make([]testCase, 0, len(rows)+3)
	for _, row := range rows {
		out = append(out, testCase{name: row.name, check: row.check})
	}
	return append(out,
		testCase{name: "verdict against one version", check: func(r *registry) {
			r.register(user)
			r.level("NONE")
			r.register(userMandatory)
			r.level("BACKWARD")
			r.equal("against 1", r.compatible(userMandatory, "/1"), false)
			r.equal("against 2", r.compatible(userMandatory, "/2"), true)
		}},
		testCase{name: "verdict against an unknown version", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("POST", "/compatibility/subjects/SUBJECT/versions/9", user), 404, 40402)
		}},
		testCase{name: "verdict on an invalid schema", check: func(r *registry) {
			r.register(user)
			r.fails(r.do("POST", "/compatibility/subjects/SUBJECT/versions/latest", avro(`{"type":"strnig"}`)), 422, 42201)
		}}.but("without a level an invalid schema is called compatible", func(r *registry) {
			r.register(user)
			r.equal("verdict", r.compatible(avro(`{"type":"strnig"}`), "/latest"), true)
		}),
		testCase{name: "verdict without a version obeys the level", check: func(r *registry) {
			r.register(userLess)
			r.level("NONE")
			r.register(user)
			r.level("BACKWARD")
			r.equal("against the last", r.compatible(userOptional, ""), true)
			r.level("BACKWARD_TRANSITIVE")
			r.equal("against all", r.compatible(userOptional, ""), false)
		}}.but("all versions are compared whatever the level; registering obeys it", func(r *registry) {
			r.register(userLess)
			r.level("NONE")
			r.register(user)
			r.level("BACKWARD")
			r.equal("against all", r.compatible(userOptional, ""), false)
			r.register(userOptional)
		}),
	)
}

// check registers the earlier versions at level NONE, then asks for the verdict and registers, which must agree.
func (v verdict) check(r *registry) {
	r.register(v.earlier[0])
	r.level("NONE")
	for _, s := range v.earlier[1:] {
		r.register(s)
	}
	r.level(v.level)
	version := "/latest"
	if strings.HasSuffix(v.level, "_TRANSITIVE") {
		version = "" // as many as the level wants
	}
	r.equal("verdict", r.compatible(v.candidate, version), v.want)
	status := r.do("POST", "/subjects/SUBJECT/versions", v.candidate).status
	r.equal("registered", status == 200, v.want)
}
