package config_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/config"
)

func TestPropertiesAreASettingOfAContext(t *testing.T) {
	setting, ok := config.FindSetting("kafka.properties")
	if !ok {
		t.Fatal("a context has no kafka.properties")
	}
	var c config.Context
	if err := setting.Set(&c, "bootstrap.servers=a:1,b:2, sasl.password=hush,client.id=${env:WHO}"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"bootstrap.servers": "a:1,b:2", "sasl.password": "hush", "client.id": "${env:WHO}"}
	if !maps.Equal(c.Kafka.Properties, want) {
		t.Errorf("got %v", c.Kafka.Properties)
	}
	if shown := setting.Shown(&c); strings.Contains(shown, "hush") || !strings.Contains(shown, "client.id=${env:WHO}") || !setting.WritesSecret(&c) {
		t.Errorf("shown %q", shown)
	}
	if err := setting.Set(&c, "client.id"); err == nil {
		t.Error("a name alone was taken")
	}
}

func TestPropertiesRoundTrip(t *testing.T) {
	setting, _ := config.FindSetting("kafka.properties")
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.MapOf(rapid.StringMatching(`[a-z.]{1,12}`), rapid.StringMatching(`[a-zA-Z0-9:/.{}$,-]{0,12}`)).Draw(t, "pairs")
		c := config.Context{Kafka: config.Kafka{Properties: pairs}}
		var again config.Context
		if err := setting.Set(&again, setting.Get(&c)); err != nil || !maps.Equal(again.Kafka.Properties, pairs) {
			t.Fatalf("%q became %v, %v", pairs, again.Kafka.Properties, err)
		}
	})
}

func TestPropertiesAndSettings(t *testing.T) {
	k := config.Kafka{
		Brokers: []string{"typed:1"}, SASL: config.SASL{Mechanism: "PLAIN", Username: "ada", Password: "p"},
		Properties: map[string]string{"bootstrap.servers": "property:1", "client.id": "c", "sasl.username": "bob", "security.protocol": "SASL_SSL"},
	}
	c, err := k.Client(nil)
	if err != nil || c.Brokers[0] != "typed:1" || c.ClientID != "c" || c.SASL.Username != "ada" || !c.TLS.Enabled {
		t.Errorf("settings win over properties: %+v, %v", c, err)
	}
	c, err = k.Client(map[string]string{"bootstrap.servers": "last:1, last:2", "security.protocol": "plaintext"})
	if err != nil || len(c.Brokers) != 2 || c.Brokers[1] != "last:2" || c.SASL.Mechanism != "" || c.TLS.Wanted() {
		t.Errorf("the last win over all: %+v, %v", c, err)
	}
	var wrong *config.PropertyError
	if _, err := k.Client(map[string]string{"sasl.usrname": "x"}); !errors.As(err, &wrong) || wrong.Hint != "did you mean sasl.username?" {
		t.Errorf("got %v", err)
	}
	for _, name := range config.PropertyNames() {
		if secret := strings.HasSuffix(name, "password") || strings.HasSuffix(name, "secret") || strings.HasSuffix(name, ".token"); secret != config.IsSecretProperty(name) {
			t.Errorf("%s: secret is %v", name, !secret)
		}
	}
}
