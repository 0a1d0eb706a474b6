// Package gateway renders and checks what an API gateway is told of services in Consul: Kong's declarative
// configuration (D4).
//
// There are two ways to tell Kong where a service is.
//
// [Plugin] is the specification's: the host is a name of Consul's DNS, and a plugin "consul-discovery" names the
// service and the tags its instances must have. Kong itself comes with no plugin of that name; it has to be built,
// installed and listed in Kong's `plugins` setting, or Kong refuses the whole file.
//
// [DNS] needs nothing but stock Kong whose dns_resolver setting is Consul's DNS port (KONG_DNS_RESOLVER=127.0.0.1:8600).
// The host is then an SRV name by RFC 2782, _auth-service._prod.service.consul, whose records carry each instance's
// port and weight. A plain name, auth-service.service.consul, is asked for SRV by Kong's classic DNS client only; with
// new_dns_client (Kong 3.8) it gives addresses alone, and the port is the one that the file says. Consul's DNS selects
// by at most one tag, and leaves out critical instances, not those that warn.
//
// [Check] reads a file as Kong would and reports what Kong refuses, and what it accepts and does not mean; [CheckLive]
// asks Consul, too. Notes are no defects: they say what the file needs from its surroundings. A [Finding] has the JSON
// form of the findings of pkg/lint.
//
// The format is that of Kong Gateway 3, https://developer.konghq.com/gateway/db-less-mode/; fields and their bounds are
// those of its schemas of services, routes and plugins.
package gateway
