// Package registry is the lab's schema registry: the part of Confluent's REST API (version 7) that producers, consumers
// and this project use, in memory, with real verdicts. Avro, JSON Schema and Protobuf are parsed and compared by
// [github.com/suokelife/suokectl/pkg/events/schema], whose documentation says what compatible means.
//
// Errors are the registry's: 40401 unknown subject, 40402 unknown version, 40403 unknown schema, 40404 to 40407 for the
// two steps of deletion, 40408 no level of its own, 409 incompatible, 42201 invalid schema, 42202 invalid version, 42203
// invalid level, 42206 a reference to what is to be deleted. The contract suite in internal/contract/registry holds this
// server and a real one to the same table.
package registry
