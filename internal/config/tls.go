package config

import "github.com/suokelife/suokectl/pkg/secure"

// Wanted reports whether anything of TLS is set: naming a certificate says
// that the connection is to be secured by it.
func (t TLS) Wanted() bool { return t != TLS{} }

// Client returns the settings as the client's side of TLS takes them.
func (t TLS) Client() secure.ClientTLS {
	return secure.ClientTLS{CA: t.CA, Cert: t.Cert, Key: t.Key, KeyPassword: t.KeyPassword, ServerName: t.ServerName, Insecure: t.Insecure}
}
