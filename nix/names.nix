# How Certkeep calls what NixOS calls otherwise.
{ lib }:
let
  builtInIssuers = {
    "https://acme-v02.api.letsencrypt.org/directory" = "letsencrypt";
    "https://acme-staging-v02.api.letsencrypt.org/directory" = "letsencrypt-staging";
    "https://dv.acme-v02.api.pki.goog/directory" = "google";
    "https://acme.zerossl.com/v2/DV90" = "zerossl";
    "https://acme-api.actalis.com/acme/directory" = "actalis";
    "https://acme.ssl.com/sslcom-dv-ecc" = "sslcom";
  };

  builtInServices = {
    "nginx.service" = "nginx";
    "httpd.service" = "apache";
    "haproxy.service" = "haproxy";
    "postfix.service" = "postfix";
    "dovecot2.service" = "dovecot";
    "dovecot.service" = "dovecot";
    "postgresql.service" = "postgresql";
  };

  webServers = [ "nginx.service" "httpd.service" "lighttpd.service" ];

  keyTypes = {
    ec256 = "ecdsa-p256";
    ec384 = "ecdsa-p384";
    ec521 = "ecdsa-p521";
    rsa2048 = "rsa-2048";
    rsa3072 = "rsa-3072";
    rsa4096 = "rsa-4096";
  };

  isURL = lib.hasPrefix "https://";

  host = url:
    let parts = builtins.match "https://([A-Za-z0-9][A-Za-z0-9.-]*).*" url;
    in if parts == null then "acme" else builtins.head parts;

  # What makes an entry of `dns`: certificates that agree in it share one.
  dnsOptions = c: {
    inherit (c) dnsProvider dnsServer dnsCommand dnsResolver dnsPropagationCheck environmentFile credentialFiles;
  };
in
rec {
  # Who talks to others, where a helper of root installs.
  user = "certkeep";

  list = v: if builtins.isList v then v else [ v ];

  keyType = type: keyTypes.${type} or type;

  # isIssuer reports whether there is a CA of that name, or a URL that may be one's.
  isIssuer = settings: server:
    builtins.match "https://[^/@]+(/.*)?" server != null
    || builtins.elem server (builtins.attrValues builtInIssuers) || (settings.issuers or { }) ? ${server};

  # isNewURL reports whether an issuer has to be made for it.
  isNewURL = server: isURL server && !(builtInIssuers ? ${server});

  # A URL has characters that no name has: its host, and a few digits, so that
  # two of one host differ.
  issuer = server:
    if isNewURL server then "${host server}-${builtins.substring 0 6 (builtins.hashString "sha256" server)}"
    else builtInIssuers.${server} or server;

  # unit is what systemd calls it: without an ending it is a service.
  unit = name: if builtins.match ".*\\.(service|socket|target|timer|path|slice|scope)" name == null then "${name}.service" else name;

  builtIn = unit: builtInServices ? ${unit};

  service = unit: builtInServices.${unit} or (builtins.replaceStrings [ "@" ":" "\\" ] [ "-" "-" "-" ] unit);

  # servers are the web servers whose virtual hosts use a certificate.
  servers = cfg: name: cfg.usedBy.${name} or [ ];

  # units read the files of a certificate.
  units = cfg: name: lib.unique (map unit cfg.certs.${name}.reloadServices ++ map (s: s.unit) (servers cfg name));

  # answering are those of them that answer challenges, out of a webroot.
  answering = cfg: name:
    if cfg.certs.${name}.webroot == null then [ ]
    else builtins.filter (u: builtins.elem u webServers) (units cfg name);

  group = cfg: name:
    if cfg.certs.${name}.group != null then cfg.certs.${name}.group
    else if servers cfg name != [ ] then (builtins.head (servers cfg name)).group
    else "certkeep";

  # ownDNS reports whether the module makes the entry of `dns`; otherwise
  # `settings.dns` has it.
  ownDNS = c: builtins.elem c.dnsProvider [ "rfc2136" "command" ];

  # What systemd hands over for an entry of `dns`.
  credential = entry: id: "/run/credentials/certkeep.service/${entry}.${id}";

  # fileVariables name files that hold secrets. The key file of rfc2136 is a key
  # of the configuration, too, and needs no variable.
  fileVariables = c: builtins.filter (v: !(c.dnsProvider == "rfc2136" && v == "RFC2136_TSIG_FILE")) (builtins.attrNames c.credentialFiles);

  # hasVariables reports whether an entry of `dns` has a file of variables, made
  # when certkeep.service starts.
  hasVariables = c: ownDNS c && (c.environmentFile != null || fileVariables c != [ ]);

  variables = "/run/certkeep-dns";

  dns = cfg: name: c:
    if !(ownDNS c) then c.dnsProvider
    else if dnsOptions c == dnsOptions cfg.defaults then "defaults"
    else "cert-${name}";
}
