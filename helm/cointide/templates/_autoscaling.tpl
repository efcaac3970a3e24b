{{/* Who decides how many pods there are, for agents and gateway alike. */}}

{{/* `replicas: N`, or nothing where the autoscaler owns the number. */}}
{{- define "cointide.replicas" -}}
{{- if not .autoscaling.enabled }}
replicas: {{ int .replicas }}
{{- end }}
{{- end -}}

{{/* One pod at a time up, since each join stops the whole group for a moment; slowly down. */}}
{{- define "cointide.scalingBehaviour" -}}
{{- $pace := .Values.scaling -}}
behavior:
  scaleUp:
    stabilizationWindowSeconds: {{ int $pace.upSeconds }}
    selectPolicy: Max
    policies:
      - {type: Pods, value: 1, periodSeconds: {{ int $pace.upSeconds }}}
  scaleDown:
    stabilizationWindowSeconds: {{ int $pace.quietSeconds }}
    selectPolicy: Max
    policies:
      - {type: Pods, value: 1, periodSeconds: {{ int $pace.downSeconds }}}
{{- end -}}

{{/* Takes (list . component kind autoscaling). */}}
{{- define "cointide.autoscaler" -}}
{{- $top := index . 0 -}}{{- $component := index . 1 -}}
{{- $kind := index . 2 -}}{{- $scaling := index . 3 -}}
{{- $name := printf "%s-%s" (include "cointide.fullname" $top) $component -}}
---
{{- if eq $scaling.by "keda" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $name }}
  labels:
    {{- include "cointide.labels" (list $top $component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ $kind }}
    name: {{ $name }}
  minReplicaCount: {{ int $scaling.minReplicas }}
  maxReplicaCount: {{ int $scaling.maxReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      {{- include "cointide.scalingBehaviour" $top | nindent 6 }}
  triggers:
    - type: kafka
      metadata:
        bootstrapServers: {{ include "cointide.brokers" $top | quote }}
        consumerGroup: {{ ternary $component (printf "%s.%s" $top.Values.topicNamespace $component) (empty $top.Values.topicNamespace) | quote }}
        lagThreshold: {{ int $scaling.kafkaLag | quote }}
        offsetResetPolicy: earliest
        allowIdleConsumers: "false"
      {{- with $top.Values.kafka.security.kedaAuthentication }}
      authenticationRef: {name: {{ . }}}
      {{- end }}
{{- else }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "cointide.labels" (list $top $component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ $kind }}
    name: {{ $name }}
  minReplicas: {{ int $scaling.minReplicas }}
  maxReplicas: {{ int $scaling.maxReplicas }}
  metrics:
  {{- if eq $scaling.by "cpu" }}
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ int $scaling.cpuUtilization }}}
  {{- else }}
    - type: External
      external:
        metric:
          name: {{ $scaling.external.metric | quote }}
          {{- with $scaling.external.matchLabels }}
          selector:
            matchLabels: {{ toYaml . | nindent 14 }}
          {{- end }}
        target: {type: AverageValue, averageValue: {{ $scaling.external.averageValue | quote }}}
  {{- end }}
  {{- include "cointide.scalingBehaviour" $top | nindent 2 }}
{{- end }}
{{- end -}}
