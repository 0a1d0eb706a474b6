// Package services are the demo services of the lab: auth-service, user-service
// and health-service. They are built only from the public packages, refuse
// anonymous calls as the specification demands (A1), and offer server reflection
// and the standard health service.
package services

//go:generate go run ./generate
