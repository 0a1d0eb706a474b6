package registry

import (
	"net/http"
	"slices"
)

// The schemas of the table that refer to others, by the name that the reference has.
var (
	money      = avro(`{"type":"record","name":"Money","namespace":"p","fields":[{"name":"amount","type":"double"}]}`)
	order      = avro(`{"type":"record","name":"Order","namespace":"p","fields":[{"name":"price","type":"p.Money"}]}`)
	moneyJSON  = js(`{"type":"object","properties":{"amount":{"type":"number"}}}`)
	orderJSON  = js(`{"type":"object","properties":{"price":{"$ref":"money.json"}}}`)
	moneyProto = proto("syntax = \"proto3\";\npackage p;\nmessage Money {\n  double amount = 1;\n}\n")
	orderProto = proto("syntax = \"proto3\";\npackage p;\nimport \"p/money.proto\";\nmessage Order {\n  p.Money price = 1;\n}\n")
)

// referring has what protobuf and references need, which are one thing for a registry: a schema in several texts.
func referring() []testCase {
	cases := []testCase{
		{name: "protobuf", check: func(r *registry) {
			r.register(moneyProto)
			r.equal("type", r.ok(r.do("GET", "/subjects/SUBJECT/versions/1", nil)).field("schemaType"), "PROTOBUF")
		}},
		{name: "protobuf that is none", check: func(r *registry) {
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", proto("syntax = \"proto3\"; message {")), http.StatusUnprocessableEntity, 42201)
		}},
		{name: "types", check: func(r *registry) {
			types, _ := r.ok(r.do("GET", "/schemas/types", nil)).body.([]any)
			for _, want := range []any{"AVRO", "JSON", "PROTOBUF"} {
				if !slices.Contains(types, want) {
					r.t.Fatalf("%v is not among %v", want, types)
				}
			}
		}},
		{name: "a reference that leads nowhere", check: func(r *registry) {
			r.fails(r.do("POST", "/subjects/SUBJECT/versions", order.refers("p.Money", "nowhere")), http.StatusUnprocessableEntity, 42201)
		}},
		{name: "what is referred to is not deleted", check: func(r *registry) {
			other := r.with("-money", money)
			r.register(order.refers("p.Money", other.subject))
			r.fails(other.do("DELETE", "/subjects/SUBJECT/versions/1", nil), http.StatusUnprocessableEntity, 42206)
		}},
	}
	for _, c := range []struct {
		kind, name string
		to, from   schema
	}{{"avro", "p.Money", money, order}, {"json", "money.json", moneyJSON, orderJSON}, {"protobuf", "p/money.proto", moneyProto, orderProto}} {
		cases = append(cases, testCase{name: c.kind + " reference", check: func(r *registry) {
			other := r.with("-money", c.to)
			id := r.register(c.from.refers(c.name, other.subject))
			want := []any{map[string]any{"name": c.name, "subject": other.subject, "version": 1}}
			got := r.ok(r.do("GET", "/subjects/SUBJECT/versions/1", nil))
			r.equal("references", got.field("references"), want)
			got = r.ok(r.do("GET", sprintf("/schemas/ids/%.0f", id), nil))
			r.equal("references by id", got.field("references"), want)
			got = r.ok(other.do("GET", "/subjects/SUBJECT/versions/1/referencedby", nil))
			r.equal("referenced by", got.body, []any{id})
		}})
	}
	return cases
}

// with registers a schema in a subject of its own, and returns the view on it.
func (r *registry) with(suffix string, s schema) *registry {
	r.t.Helper()
	other := *r
	other.subject += suffix
	other.register(s)
	return &other
}
