{{/* Combinations that cannot work, each refused with a sentence. */}}

{{- define "cointide.refuse" -}}
{{- fail (printf "\n\ncointide: %s\n" .) -}}
{{- end -}}

{{- define "cointide.validate" -}}
{{- $values := .Values -}}
{{- $partitions := int $values.kafka.partitions -}}
{{- if and (not $values.kafka.brokers) (not $values.trialKafka.enabled) -}}
  {{- include "cointide.refuse" "expected kafka.brokers as [host:port], or trialKafka.enabled to try it out; found neither" -}}
{{- end -}}
{{- if and $values.kafka.brokers $values.trialKafka.enabled -}}
  {{- include "cointide.refuse" "expected kafka.brokers or trialKafka.enabled, found both" -}}
{{- end -}}
{{- if $values.trialKafka.enabled -}}
  {{- if gt (int $values.kafka.replication) 1 -}}
    {{- include "cointide.refuse" (printf "expected kafka.replication 1, as the trial Kafka is one node, was %d" (int $values.kafka.replication)) -}}
  {{- end -}}
  {{- if eq $values.topics.create "hook" -}}
    {{- include "cointide.refuse" "expected topics.create `job` with trialKafka.enabled: a hook would wait for a Kafka that is not yet installed" -}}
  {{- end -}}
{{- end -}}
{{- if and (eq $values.source "simulated") (not $values.simulator.enabled) -}}
  {{- include "cointide.refuse" "expected simulator.enabled with source `simulated`: there is no other simulator to follow" -}}
{{- end -}}
{{- if and $values.simulator.enabled (ne $values.source "simulated") -}}
  {{- include "cointide.refuse" (printf "expected source `simulated` with simulator.enabled, was `%s`: simulated figures must say that they are" $values.source) -}}
{{- end -}}
{{- if $values.simulator.enabled -}}
  {{- range $name, $value := $values.settings -}}
    {{- if hasSuffix "_url" $name -}}
      {{- include "cointide.refuse" (printf "expected no settings.%s with simulator.enabled, which decides every address" $name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and $values.agents.archive.enabled (not $values.archive.url) -}}
  {{- include "cointide.refuse" "expected archive.url with agents.archive.enabled: a pod has no folder that lasts" -}}
{{- end -}}
{{- if and $values.archive.existingSecret (not $values.archive.url) -}}
  {{- include "cointide.refuse" "expected archive.url with archive.existingSecret: nobody would be shown the keys" -}}
{{- end -}}
{{- $endpoint := regexFind "endpoint_override=[^&]+" $values.archive.url -}}
{{- $port := regexFind ":[0-9]+/?$" $endpoint | trimPrefix ":" | trimSuffix "/" -}}
{{- if and $port $values.networkPolicy.enabled (not (has $port (toStrings $values.networkPolicy.archivePorts))) -}}
  {{- include "cointide.refuse" (printf "expected networkPolicy.archivePorts to have the port of archive.url (%s), found %s" $port (toStrings $values.networkPolicy.archivePorts | join ", ")) -}}
{{- end -}}
{{- if and $values.monitoring.podMonitor.enabled $values.networkPolicy.enabled (not $values.networkPolicy.metricsFrom) -}}
  {{- include "cointide.refuse" "expected networkPolicy.metricsFrom (where Prometheus is) with monitoring.podMonitor.enabled: nobody else may scrape the agents" -}}
{{- end -}}
{{- include "cointide.validateKafkaSecurity" . -}}
{{- include "cointide.validateCassandra" . -}}
{{- range $name := fromYamlArray (include "cointide.agents" .) -}}
  {{- $agent := index $values.agents $name -}}
  {{- if $agent.autoscaling.enabled -}}
    {{- if gt (int $agent.autoscaling.maxReplicas) $partitions -}}
      {{- include "cointide.refuse" (printf "expected agents.%s.autoscaling.maxReplicas of at most kafka.partitions (%d), as further pods would own nothing, was %d" $name $partitions (int $agent.autoscaling.maxReplicas)) -}}
    {{- end -}}
    {{- if eq $agent.autoscaling.by "keda" -}}
      {{- if eq $name "ingestion" -}}
        {{- include "cointide.refuse" "expected agents.ingestion.autoscaling.by `cpu` or `external`: ingestion reads exchanges, so it has no lag in Kafka to scale by" -}}
      {{- end -}}
      {{- if lt (int $agent.autoscaling.kafkaLag) 1 -}}
        {{- include "cointide.refuse" (printf "expected agents.%s.autoscaling.kafkaLag with by `keda`: the records of lag that one pod can bear, was 0" $name) -}}
      {{- end -}}
      {{- if and (ne $values.kafka.security.protocol "plaintext") (not $values.kafka.security.kedaAuthentication) -}}
        {{- include "cointide.refuse" (printf "expected kafka.security.kedaAuthentication with agents.%s.autoscaling.by `keda`: KEDA reads the lag with credentials of its own" $name) -}}
      {{- end -}}
    {{- end -}}
  {{- else if gt (int $agent.replicas) $partitions -}}
    {{- include "cointide.refuse" (printf "expected agents.%s.replicas of at most kafka.partitions (%d), as further pods would own nothing, was %d" $name $partitions (int $agent.replicas)) -}}
  {{- end -}}
  {{- include "cointide.validateScaling" (list (printf "agents.%s" $name) $agent) -}}
{{- end -}}
{{- include "cointide.validateScaling" (list "gateway" $values.gateway) -}}
{{- if and $values.ingress.enabled $values.httpRoute.enabled -}}
  {{- include "cointide.refuse" "expected ingress.enabled or httpRoute.enabled, found both" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
  {{- include "cointide.refuse" "expected httpRoute.parentRefs with httpRoute.enabled: a route belongs to a gateway" -}}
{{- end -}}
{{- if and $values.ingress.tlsSecret (not $values.ingress.host) -}}
  {{- include "cointide.refuse" "expected ingress.host with ingress.tlsSecret: a certificate is for a name" -}}
{{- end -}}
{{- if and $values.gateway.apiKeys.existingSecret (not $values.gateway.apiKeys.enabled) -}}
  {{- include "cointide.refuse" "expected gateway.apiKeys.enabled with gateway.apiKeys.existingSecret: the keys in it would not be asked for" -}}
{{- end -}}
{{- end -}}

{{- define "cointide.validateKafkaSecurity" -}}
{{- $security := .Values.kafka.security -}}
{{- $protocol := $security.protocol -}}
{{- if and .Values.trialKafka.enabled (ne $protocol "plaintext") -}}
  {{- include "cointide.refuse" (printf "expected kafka.security.protocol `plaintext` with trialKafka.enabled, was `%s`" $protocol) -}}
{{- end -}}
{{- if and (or $security.caSecret $security.clientSecret) (not (hasSuffix "ssl" $protocol)) -}}
  {{- include "cointide.refuse" (printf "expected kafka.security.protocol `ssl` or `sasl_ssl` with caSecret or clientSecret, was `%s`" $protocol) -}}
{{- end -}}
{{- if and $security.keyPasswordKey (not $security.clientSecret) -}}
  {{- include "cointide.refuse" "expected kafka.security.clientSecret with keyPasswordKey: the password is of the key in that secret" -}}
{{- end -}}
{{- if and (hasPrefix "sasl" $protocol) (or (not $security.saslUsername) (not $security.saslSecret)) -}}
  {{- include "cointide.refuse" (printf "expected kafka.security.saslUsername and saslSecret with protocol `%s`, found not both" $protocol) -}}
{{- end -}}
{{- if and (or $security.saslUsername $security.saslSecret) (not (hasPrefix "sasl" $protocol)) -}}
  {{- include "cointide.refuse" (printf "expected kafka.security.protocol `sasl_plaintext` or `sasl_ssl` with saslUsername or saslSecret, was `%s`" $protocol) -}}
{{- end -}}
{{- end -}}

{{- define "cointide.validateCassandra" -}}
{{- $cassandra := .Values.cassandra -}}
{{- $local := $cassandra.localDatacenter -}}
{{- if not $cassandra.contactPoints -}}
  {{- if (index .Values.agents "archive-cassandra").enabled -}}
    {{- include "cointide.refuse" "expected cassandra.contactPoints with agents.archive-cassandra.enabled: there is nowhere to write" -}}
  {{- end -}}
  {{- if or $cassandra.existingSecret $cassandra.tls.enabled -}}
    {{- include "cointide.refuse" "expected cassandra.contactPoints with cassandra.existingSecret or tls.enabled: nobody would be shown them" -}}
  {{- end -}}
{{- end -}}
{{- if and $cassandra.replication (not (hasKey $cassandra.replication $local)) -}}
  {{- include "cointide.refuse" (printf "expected cassandra.replication to have replicas in localDatacenter (%s), found %s" $local (keys $cassandra.replication | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if and (or $cassandra.tls.caSecret $cassandra.tls.clientSecret) (not $cassandra.tls.enabled) -}}
  {{- include "cointide.refuse" "expected cassandra.tls.enabled with caSecret or clientSecret" -}}
{{- end -}}
{{- if and $cassandra.tls.keyPasswordKey (not $cassandra.tls.clientSecret) -}}
  {{- include "cointide.refuse" "expected cassandra.tls.clientSecret with keyPasswordKey: the password is of the key in that secret" -}}
{{- end -}}
{{- end -}}

{{/* Takes (list path kind), where kind has `autoscaling` and `resources`. */}}
{{- define "cointide.validateScaling" -}}
{{- $path := index . 0 -}}{{- $scaling := (index . 1).autoscaling -}}
{{- if $scaling.enabled -}}
  {{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
    {{- include "cointide.refuse" (printf "expected %s.autoscaling.minReplicas of at most maxReplicas (%d), was %d" $path (int $scaling.maxReplicas) (int $scaling.minReplicas)) -}}
  {{- end -}}
  {{- if and (eq $scaling.by "external") (or (not $scaling.external.metric) (not $scaling.external.averageValue)) -}}
    {{- include "cointide.refuse" (printf "expected %s.autoscaling.external.metric and averageValue with by `external`, found not both" $path) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
