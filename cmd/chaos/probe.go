package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/suokelife/suokectl/pkg/chaos"
)

// abortMark is what a mesh answers in place of the service when it aborts a call.
const abortMark = "fault filter abort"

// meshProbe calls the standard gRPC health check of host through a sidecar without TLS. Whatever the service answers
// is fine; only whether the mesh answered in its place is looked at. done closes the connections.
func meshProbe(address, host string) (probe chaos.Probe, done func()) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	client := &http.Client{Transport: transport}
	return func(ctx context.Context) (bool, error) {
		empty := bytes.NewReader(make([]byte, 5)) // a frame with an empty HealthCheckRequest
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/grpc.health.v1.Health/Check", empty)
		if err != nil {
			return false, err
		}
		request.Host = host
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("Te", "trailers")
		response, err := client.Do(request)
		if err != nil {
			return false, fmt.Errorf("call %s through the mesh at %s: %w", host, address, err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
		if err != nil {
			return false, fmt.Errorf("call %s through the mesh at %s: %w", host, address, err)
		}
		said := response.Header.Get("Grpc-Message") + string(body)
		return strings.Contains(said, abortMark), nil
	}, transport.CloseIdleConnections
}
