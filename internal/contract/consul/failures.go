package consul

import (
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"
)

// failures are requests that the agent refuses, with the status and the beginning of the text.
var failures = append([]testCase{
	{"a report to a check of another kind is refused", func(a *agent) {
		a.watched(api.AgentServiceCheck{TCP: "127.0.0.1:1", Interval: "10m"})
		got := a.do("PUT", "/v1/agent/check/pass/service:"+a.name, "")
		a.equal("answer", fmt.Sprint(got.code, " ", got.body),
			fmt.Sprintf("500 CheckID %q does not have associated TTL", "service:"+a.name))
	}},
}, refused(
	refusal{"a registration without a name", "PUT /v1/agent/service/register", `{"ID": "x"}`, "400 Missing service name"},
	refusal{"a registration that is no JSON", "PUT /v1/agent/service/register", `{"Name": `, "400 Request decode failed: "},
	refusal{"a registration with an empty body", "PUT /v1/agent/service/register", ``, "400 Request decode failed: "},
	refusal{"a registration with an unknown field", "PUT /v1/agent/service/register", `{"Name": "x", "Prot": 1}`,
		`400 Request decode failed: json: unknown field "Prot"`},
	refusal{"a registration with a wrong type", "PUT /v1/agent/service/register", `{"Name": "x", "Port": "80"}`,
		"400 Request decode failed: "},
	refusal{"a registration with a wrong duration", "PUT /v1/agent/service/register",
		`{"Name": "x", "Check": {"TTL": "soon"}}`, "400 Request decode failed: "},
	refusal{"a registration at every address", "PUT /v1/agent/service/register", `{"Name": "x", "Address": "0.0.0.0"}`,
		"400 Invalid service address"},
	refusal{"a check without an interval", "PUT /v1/agent/service/register",
		`{"Name": "x", "Check": {"HTTP": "http://127.0.0.1:1"}}`, "400 Invalid check: Interval must be > 0"},
	refusal{"a check with both interval and TTL", "PUT /v1/agent/service/register",
		`{"Name": "x", "Check": {"TCP": "127.0.0.1:1", "Interval": "1s", "TTL": "1s"}}`,
		"400 Invalid check: Interval and TTL cannot both be specified"},
	refusal{"a check of no kind", "PUT /v1/agent/service/register", `{"Name": "x", "Check": {"Name": "c"}}`,
		"400 Invalid check: TTL must be > 0 for TTL checks"},
	refusal{"a check with an unknown status", "PUT /v1/agent/service/register",
		`{"Name": "x", "Check": {"TTL": "1s", "Status": "good"}}`, "400 Status for checks must"},
	refusal{"a lone check without a name", "PUT /v1/agent/check/register", `{"TTL": "1s"}`, "400 Missing check name"},
	refusal{"a lone check with an unknown status", "PUT /v1/agent/check/register",
		`{"Name": "x", "TTL": "1s", "Status": "good"}`, "400 Bad check status"},
	refusal{"a lone check of no kind", "PUT /v1/agent/check/register", `{"Name": "x"}`, "400 Invalid check: "},
	refusal{"a check of a service that is not there", "PUT /v1/agent/check/register",
		`{"Name": "x", "TTL": "1s", "ServiceID": "nobody"}`, `404 ServiceID "nobody" does not exist`},
	refusal{"deregistering a service that is not there", "PUT /v1/agent/service/deregister/nobody", "",
		`404 Unknown service ID "nobody". Ensure that the service ID is passed, not the service name.`},
	refusal{"deregistering a check that is not there", "PUT /v1/agent/check/deregister/nobody", "",
		`404 Unknown check ID "nobody". Ensure that the check ID is passed, not the check name.`},
	refusal{"a report to a check that is not there", "PUT /v1/agent/check/pass/nobody", "", `404 Unknown check ID "nobody"`},
	refusal{"a report of an unknown status", "PUT /v1/agent/check/update/nobody", `{"Status": "good"}`,
		"400 Invalid check status: 'good'"},
	refusal{"maintenance of a service that is not there", "PUT /v1/agent/service/maintenance/nobody?enable=true", "",
		`404 Unknown service ID "nobody". `},
	refusal{"maintenance that is neither on nor off", "PUT /v1/agent/maintenance", "", "400 Missing value for enable"},
	refusal{"maintenance that is perhaps on", "PUT /v1/agent/maintenance?enable=perhaps", "",
		`400 Invalid value for enable: "perhaps"`},
	refusal{"a read of a service without a name", "GET /v1/health/service/", "", "400 Missing service name"},
	refusal{"a read of the catalogue without a name", "GET /v1/catalog/service/", "", "400 Missing service name"},
	refusal{"a read of checks without a state", "GET /v1/health/state/", "", "400 Missing check state"},
	refusal{"a read of the perhaps passing", "GET /v1/health/service/x?passing=perhaps", "", "400 Invalid value for ?passing"},
	refusal{"an index that is no number", "GET /v1/health/service/x?index=-1", "", "400 Invalid index"},
	refusal{"a wait that is no duration", "GET /v1/health/service/x?index=1&wait=soon", "", "400 Invalid wait time"},
	refusal{"a datacenter that is not there", "GET /v1/health/service/x?dc=nowhere", "", "500 No path to datacenter"},
	refusal{"a method that is not for it", "POST /v1/agent/service/register", "{}", "405 method POST not allowed"},
	refusal{"a path that is not there", "GET /v1/nothing", "", "404 Invalid URL path: not a recognized HTTP API endpoint"},
)...)

type refusal struct{ name, request, body, answer string }

func refused(rows ...refusal) []testCase {
	var out []testCase
	for _, row := range rows {
		out = append(out, testCase{row.name + " is refused", func(a *agent) {
			method, path, _ := strings.Cut(row.request, " ")
			got := a.do(method, path, row.body)
			if answer := fmt.Sprint(got.code, " ", got.body); !strings.HasPrefix(answer, row.answer) {
				a.Fatalf("answer is %q, want it to begin with %q", answer, row.answer)
			}
		}})
	}
	return out
}
