{{/* Heads of the policies, and what they open. */}}

{{/* Takes (list . component), and annotations if there are any. */}}
{{- define "cointide.policy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "cointide.fullname" (index . 0) }}-{{ index . 1 }}
  labels:
    {{- include "cointide.labels" (list (index . 0) "network") | nindent 4 }}
  {{- if gt (len .) 2 }}
  annotations:
    {{- toYaml (index . 2) | nindent 4 }}
  {{- end }}
spec:
{{- end }}

{{- define "cointide.ofRelease" -}}
app.kubernetes.io/name: {{ include "cointide.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cointide.toNames" }}
    - ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
    {{- with .Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "cointide.toKafka" }}
    - ports:
        {{- $ports := list }}
        {{- range $broker := splitList "," (include "cointide.brokers" .) }}
        {{- $ports = append $ports (regexFind "[0-9]+$" $broker | int) }}
        {{- end }}
        {{- range $port := concat $ports .Values.networkPolicy.kafkaPorts | uniq }}
        - {port: {{ int $port }}, protocol: TCP}
        {{- end }}
      {{- if .Values.trialKafka.enabled }}
      to:
        - podSelector:
            matchLabels:
              {{- include "cointide.selector" (list . "kafka") | nindent 14 }}
      {{- else if .Values.networkPolicy.kafkaPeers }}
      to: {{ toYaml .Values.networkPolicy.kafkaPeers | nindent 8 }}
      {{- end }}
{{- end }}

{{- define "cointide.toCassandra" }}
    - ports:
        {{- $ports := list }}
        {{- range $point := .Values.cassandra.contactPoints }}
        {{- $ports = append $ports (regexFind ":[0-9]+$" $point | trimPrefix ":" | default "9042" | int) }}
        {{- end }}
        {{- range $port := concat $ports .Values.networkPolicy.cassandraPorts | uniq }}
        - {port: {{ int $port }}, protocol: TCP}
        {{- end }}
      {{- with .Values.networkPolicy.cassandraPeers }}
      to: {{ toYaml . | nindent 8 }}
      {{- end }}
{{- end }}

{{/* The policy of a hook, which runs before those of the release that it is of: at the first install
there are none yet, at an upgrade those of other values. Takes (list . component to). */}}
{{- define "cointide.hookPolicy" }}
{{- $top := index . 0 -}}{{- $component := index . 1 -}}
{{- if eq $top.Values.topics.create "hook" }}
{{- include "cointide.policy" (list $top $component (dict "helm.sh/hook" "pre-install,pre-upgrade" "helm.sh/hook-weight" "-1" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded")) }}
  podSelector:
    matchLabels:
      {{- include "cointide.selector" (list $top $component) | nindent 6 }}
  policyTypes: [Egress]
  egress:
    {{- include "cointide.toNames" $top }}
    {{- include (index . 2) $top }}
{{- end }}
{{- end }}

{{/* Ports of the exchanges: 443, and those of the addresses that the settings name. */}}
{{- define "cointide.exchangePorts" -}}
{{- $ports := list 443 }}
{{- range $name, $url := .Values.settings }}
{{- if hasSuffix "_url" $name }}
{{- $plain := ternary "80" "443" (regexMatch "^(http|ws)://" $url) }}
{{- $ports = append $ports (regexFind ":[0-9]+(/|$)" $url | trimPrefix ":" | trimSuffix "/" | default $plain | int) }}
{{- end }}
{{- end }}
{{- uniq $ports | toJson }}
{{- end }}

{{- define "cointide.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{ toJson .Values.networkPolicy.privateNetworks }}
- ipBlock:
    cidr: ::/0
    except: ["fc00::/7", "fe80::/10"]
{{- end }}
