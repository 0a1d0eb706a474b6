package config

// Context is one environment: all that is needed to reach its services.
type Context struct {
	// Name is the key of the context in the file; "lab" for the lab.
	Name string `yaml:"-" json:"name"`
	// Env is the environment part of topic names, such as prod.
	Env string `yaml:"env,omitempty" json:"env"`
	// Protected makes what changes shared state ask for the context's name.
	Protected bool     `yaml:"protected,omitempty" json:"protected"`
	Consul    Consul   `yaml:"consul,omitempty" json:"consul"`
	Kafka     Kafka    `yaml:"kafka,omitempty" json:"kafka"`
	Registry  Registry `yaml:"registry,omitempty" json:"registry"`
	RPC       RPC      `yaml:"rpc,omitempty" json:"rpc"`
	Kube      Kube     `yaml:"kube,omitempty" json:"kube"`
}

// TLS says how a connection is secured. Certificates are verified unless
// Insecure is set.
type TLS struct {
	// Enabled switches TLS on where the address does not say so.
	Enabled bool `yaml:"enabled,omitempty" json:"enabled"`
	// CA, Cert and Key are paths of PEM files.
	CA   string `yaml:"ca,omitempty" json:"ca"`
	Cert string `yaml:"cert,omitempty" json:"cert"`
	Key  string `yaml:"key,omitempty" json:"key"`
	// KeyPassword opens an encrypted key.
	KeyPassword string `yaml:"key_password,omitempty" json:"key_password" secret:"true"`
	ServerName  string `yaml:"server_name,omitempty" json:"server_name"`
	Insecure    bool   `yaml:"insecure,omitempty" json:"insecure"`
}

// Consul is where services are registered.
type Consul struct {
	// Address is host:port, a URL or unix:///path.
	Address string `yaml:"address,omitempty" json:"address"`
	Token   string `yaml:"token,omitempty" json:"token" secret:"true"`
	// Auth is user:password for a proxy before Consul that wants HTTP basic
	// authentication.
	Auth       string `yaml:"auth,omitempty" json:"auth" secret:"true"`
	Datacenter string `yaml:"datacenter,omitempty" json:"datacenter"`
	Namespace  string `yaml:"namespace,omitempty" json:"namespace"`
	Partition  string `yaml:"partition,omitempty" json:"partition"`
	// CAPath is a folder of PEM files, used when tls.ca is not given.
	CAPath string `yaml:"ca_path,omitempty" json:"ca_path"`
	TLS    TLS    `yaml:"tls,omitempty" json:"tls"`
}

// Kafka is where events are.
type Kafka struct {
	// Brokers are host:port seeds.
	Brokers []string `yaml:"brokers,omitempty" json:"brokers"`
	TLS     TLS      `yaml:"tls,omitempty" json:"tls"`
	SASL    SASL     `yaml:"sasl,omitempty" json:"sasl"`
	// Properties are librdkafka's, as -X takes them, for what the settings above
	// leave empty.
	Properties map[string]string `yaml:"properties,omitempty" json:"properties"`
}

// SASL authenticates to Kafka.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
	Mechanism string `yaml:"mechanism,omitempty" json:"mechanism"`
	Username  string `yaml:"username,omitempty" json:"username"`
	Password  string `yaml:"password,omitempty" json:"password" secret:"true"`
	// Token is that of OAUTHBEARER. TokenFile holds one that is read anew for
	// each connection. TokenURL is where one is got by client credentials.
	Token        string `yaml:"token,omitempty" json:"token" secret:"true"`
	TokenFile    string `yaml:"token_file,omitempty" json:"token_file"`
	TokenURL     string `yaml:"token_url,omitempty" json:"token_url"`
	ClientID     string `yaml:"client_id,omitempty" json:"client_id"`
	ClientSecret string `yaml:"client_secret,omitempty" json:"client_secret" secret:"true"`
	Scope        string `yaml:"scope,omitempty" json:"scope"`
}

// Registry is where schemas are.
type Registry struct {
	URL      string `yaml:"url,omitempty" json:"url"`
	Username string `yaml:"username,omitempty" json:"username"`
	Password string `yaml:"password,omitempty" json:"password" secret:"true"`
	TLS      TLS    `yaml:"tls,omitempty" json:"tls"`
}

// RPC is how gRPC calls travel.
type RPC struct {
	// Transport is direct (instances from Consul) or mesh (through the
	// sidecar at MeshAddress). The default is direct.
	Transport   string `yaml:"transport,omitempty" json:"transport"`
	MeshAddress string `yaml:"mesh_address,omitempty" json:"mesh_address"`
	// Plaintext says that services of this context speak no TLS.
	Plaintext bool  `yaml:"plaintext,omitempty" json:"plaintext"`
	TLS       TLS   `yaml:"tls,omitempty" json:"tls"`
	Token     Token `yaml:"token,omitempty" json:"token"`
}

// Token is the credential of a call: a service token made from Secret, or one
// read from File.
type Token struct {
	// Issuer is the service in whose name tokens are made.
	Issuer string `yaml:"issuer,omitempty" json:"issuer"`
	Secret string `yaml:"secret,omitempty" json:"secret" secret:"true"`
	File   string `yaml:"file,omitempty" json:"file"`
}

// Kube is the cluster that the mesh runs in.
type Kube struct {
	// Config is the path of a kubeconfig file.
	Config    string `yaml:"config,omitempty" json:"config"`
	Context   string `yaml:"context,omitempty" json:"context"`
	Namespace string `yaml:"namespace,omitempty" json:"namespace"`
}
