{{/* What pods have in common. */}}

{{/* The settings of every process. */}}
{{- define "cointide.settings" -}}
- {name: COINTIDE_DATA_DIR, value: /data}
- {name: COINTIDE_KAFKA_BROKERS, value: {{ include "cointide.brokers" . | quote }}}
- {name: COINTIDE_NAMESPACE, value: {{ .Values.topicNamespace | quote }}}
- {name: COINTIDE_PARTITIONS, value: {{ int .Values.kafka.partitions | quote }}}
- {name: COINTIDE_REPLICATION, value: {{ int .Values.kafka.replication | quote }}}
- {name: COINTIDE_SOURCE, value: {{ .Values.source | quote }}}
{{- $security := .Values.kafka.security }}
{{- if ne $security.protocol "plaintext" }}
- {name: COINTIDE_KAFKA_SECURITY_PROTOCOL, value: {{ $security.protocol }}}
{{- if hasSuffix "ssl" $security.protocol }}
- {name: COINTIDE_KAFKA_SSL_CHECK_HOSTNAME, value: {{ $security.checkHostname | quote }}}
{{- if $security.caSecret }}
- {name: COINTIDE_KAFKA_SSL_CA_FILE, value: /etc/cointide/kafka-ca/{{ $security.caKey }}}
{{- end }}
{{- if $security.clientSecret }}
- {name: COINTIDE_KAFKA_SSL_CERTIFICATE_FILE, value: /etc/cointide/kafka-client/{{ $security.certificateKey }}}
- {name: COINTIDE_KAFKA_SSL_KEY_FILE, value: /etc/cointide/kafka-client/{{ $security.keyKey }}}
{{- with $security.keyPasswordKey }}
- name: COINTIDE_KAFKA_SSL_KEY_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $security.clientSecret }}, key: {{ . }}}
{{- end }}
{{- end }}
{{- end }}
{{- if hasPrefix "sasl" $security.protocol }}
- {name: COINTIDE_KAFKA_SASL_MECHANISM, value: {{ $security.saslMechanism }}}
- {name: COINTIDE_KAFKA_SASL_USERNAME, value: {{ $security.saslUsername | quote }}}
- name: COINTIDE_KAFKA_SASL_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $security.saslSecret }}, key: {{ $security.saslKey }}}
{{- end }}
{{- end }}
{{- if .Values.simulator.enabled }}
{{- $simulator := printf "%s-simulator:%d" (include "cointide.fullname" .) (int .Values.simulator.port) }}
- {name: COINTIDE_BINANCE_REST_URL, value: "http://{{ $simulator }}/binance"}
- {name: COINTIDE_BINANCE_WEBSOCKET_URL, value: "ws://{{ $simulator }}/binance"}
- {name: COINTIDE_COINBASE_REST_URL, value: "http://{{ $simulator }}/coinbase"}
- {name: COINTIDE_COINBASE_WEBSOCKET_URL, value: "ws://{{ $simulator }}/coinbase"}
- {name: COINTIDE_COINGECKO_REST_URL, value: "http://{{ $simulator }}/coingecko"}
- {name: COINTIDE_KRAKEN_REST_URL, value: "http://{{ $simulator }}/kraken"}
- {name: COINTIDE_KRAKEN_WEBSOCKET_URL, value: "ws://{{ $simulator }}/kraken/v2"}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: COINTIDE_{{ upper $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end -}}

{{- define "cointide.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int .Values.securityContext.uid }}
runAsGroup: {{ int .Values.securityContext.uid }}
fsGroup: {{ int .Values.securityContext.uid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "cointide.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end -}}

{{/* The head of every pod's spec. Takes (list . component).

Without service links: the Service `cointide-gateway` would set COINTIDE_GATEWAY_PORT to `tcp://…`. */}}
{{- define "cointide.pod" -}}
{{- $top := index . 0 -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "cointide.podSecurity" $top | nindent 2 }}
{{- with $top.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $top.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $top.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Pods of one kind go to different nodes and zones where they can. Takes (list . component). */}}
{{- define "cointide.spreading" -}}
topologySpreadConstraints:
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "cointide.selector" $ | nindent 8 }}
{{- end }}
{{- end -}}

{{/* Image, rights and the two folders that can be written. Takes (list . resources). */}}
{{- define "cointide.container" -}}
{{- $top := index . 0 -}}
image: {{ include "cointide.image" $top | quote }}
imagePullPolicy: {{ $top.Values.image.pullPolicy }}
securityContext:
  {{- include "cointide.containerSecurity" $top | nindent 2 }}
resources:
  {{- toYaml (index . 1) | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
  {{- with $top.Values.kafka.security.caSecret }}
  - {name: kafka-ca, mountPath: /etc/cointide/kafka-ca, readOnly: true}
  {{- end }}
  {{- with $top.Values.kafka.security.clientSecret }}
  - {name: kafka-client, mountPath: /etc/cointide/kafka-client, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "cointide.volumes" -}}
volumes:
  - name: data
    emptyDir: {sizeLimit: 64Mi}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- with .Values.kafka.security }}
  {{- if .caSecret }}
  - name: kafka-ca
    secret: {secretName: {{ .caSecret }}, defaultMode: 0440, items: [{key: {{ .caKey }}, path: {{ .caKey }}}]}
  {{- end }}
  {{- if .clientSecret }}
  - name: kafka-client
    secret:
      secretName: {{ .clientSecret }}
      defaultMode: 0440
      items: [{key: {{ .certificateKey }}, path: {{ .certificateKey }}}, {key: {{ .keyKey }}, path: {{ .keyKey }}}]
  {{- end }}
  {{- end }}
{{- end -}}

{{/* Where Cassandra is, and who may read and write there. */}}
{{- define "cointide.cassandraSettings" -}}
{{- with .Values.cassandra }}
{{- $replication := default (dict .localDatacenter 3) .replication }}
- {name: COINTIDE_CASSANDRA_CONTACT_POINTS, value: {{ join "," .contactPoints | quote }}}
- {name: COINTIDE_CASSANDRA_LOCAL_DATACENTER, value: {{ .localDatacenter | quote }}}
- {name: COINTIDE_CASSANDRA_KEYSPACE, value: {{ .keyspace | quote }}}
- {name: COINTIDE_CASSANDRA_REPLICATION, value: {{ toJson $replication | quote }}}
{{- if .existingSecret }}
- name: COINTIDE_CASSANDRA_USERNAME
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret }}, key: {{ .usernameKey }}}
- name: COINTIDE_CASSANDRA_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret }}, key: {{ .passwordKey }}}
{{- end }}
{{- if .tls.enabled }}
- {name: COINTIDE_CASSANDRA_SSL, value: "true"}
- {name: COINTIDE_CASSANDRA_SSL_CHECK_HOSTNAME, value: {{ .tls.checkHostname | quote }}}
{{- if .tls.caSecret }}
- {name: COINTIDE_CASSANDRA_SSL_CA_FILE, value: /etc/cointide/cassandra-ca/{{ .tls.caKey }}}
{{- end }}
{{- if .tls.clientSecret }}
- {name: COINTIDE_CASSANDRA_SSL_CERTIFICATE_FILE, value: /etc/cointide/cassandra-client/{{ .tls.certificateKey }}}
- {name: COINTIDE_CASSANDRA_SSL_KEY_FILE, value: /etc/cointide/cassandra-client/{{ .tls.keyKey }}}
{{- if .tls.keyPasswordKey }}
- name: COINTIDE_CASSANDRA_SSL_KEY_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .tls.clientSecret }}, key: {{ .tls.keyPasswordKey }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Its certificates; behind the mounts of `cointide.container`. */}}
{{- define "cointide.cassandraMounts" -}}
{{- with .Values.cassandra.tls.caSecret }}
- {name: cassandra-ca, mountPath: /etc/cointide/cassandra-ca, readOnly: true}
{{- end }}
{{- with .Values.cassandra.tls.clientSecret }}
- {name: cassandra-client, mountPath: /etc/cointide/cassandra-client, readOnly: true}
{{- end }}
{{- end -}}

{{/* Behind `cointide.volumes`. */}}
{{- define "cointide.cassandraVolumes" -}}
{{- with .Values.cassandra.tls }}
{{- if .caSecret }}
- name: cassandra-ca
  secret: {secretName: {{ .caSecret }}, defaultMode: 0440, items: [{key: {{ .caKey }}, path: {{ .caKey }}}]}
{{- end }}
{{- if .clientSecret }}
- name: cassandra-client
  secret:
    secretName: {{ .clientSecret }}
    defaultMode: 0440
    items: [{key: {{ .certificateKey }}, path: {{ .certificateKey }}}, {key: {{ .keyKey }}, path: {{ .keyKey }}}]
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the archive is, and who may write there. */}}
{{- define "cointide.archiveSettings" -}}
- {name: COINTIDE_ARCHIVE_URL, value: {{ .Values.archive.url | quote }}}
{{- $secret := .Values.archive.existingSecret }}
{{- if $secret }}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Probes of a server on the port `http`: (list live ready startupSeconds).

Live means that the event loop turns; it says nothing of Kafka, since a worker that waits for its
broker must not be killed for it. Started means that all state was rebuilt once: a pod that makes no
headway with that starts again. That a running one makes headway is what the alerts watch. */}}
{{- define "cointide.probes" -}}
startupProbe:
  httpGet: {path: {{ index . 1 }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ max 1 (div (int (index . 2)) 5) }}
readinessProbe:
  httpGet: {path: {{ index . 1 }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
livenessProbe:
  httpGet: {path: {{ index . 0 }}, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{/* Waits until `cointide topics` has run; only where that is a Job beside the rest. */}}
{{- define "cointide.waitForTopics" -}}
{{- if eq .Values.topics.create "job" }}
initContainers:
  - name: wait-for-topics
    {{- include "cointide.container" (list . .Values.topics.resources) | nindent 4 }}
    command: [python, -c]
    args:
      - |
        {{- .Files.Get "files/wait_for_topics.py" | nindent 8 }}
    env:
      {{- include "cointide.settings" . | nindent 6 }}
{{- end }}
{{- end -}}
