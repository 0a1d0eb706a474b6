// Package registry is the lab's schema registry: the part of Confluent's REST API (version 7) that producers, consumers
// and this project use, in memory, with real verdicts.
//
// Avro schemas are compared by Avro's own rules of schema resolution. JSON Schemas are compared by [subsumes]: a schema
// accepts the data of another when every instance of the other is surely an instance of it. The check is conservative:
// a keyword that it does not understand must stand in both schemas with the same value, so a "compatible" is always
// true and an "incompatible" is sometimes too strict.
//
// Errors are the registry's: 40401 unknown subject, 40402 unknown version, 40403 unknown schema, 40404 to 40407 for the
// two steps of deletion, 40408 no level of its own, 409 incompatible, 42201 invalid schema, 42202 invalid version, 42203
// invalid level. The contract suite in internal/contract/registry holds this server and a real one to the same table.
package registry
